/** What the loaded model is and can do. */
export interface Model {
  kind: string;
  parameters: number;
  imageSizePx: number;
  canCaption: boolean;
  canAnswer: boolean;
  canMatch: boolean;
  /** Words a caption begins with unless told otherwise; they are not part of the caption. */
  prompt: string;
}

export interface Loaded {
  model: Model;
  /** Bytes of the weights. */
  bytes: number;
  /** Whether every piece had the SHA-256 its manifest gives. */
  isChecked: boolean;
  /** Where the file lies now. Only `file` and `cache` are there after a reload. */
  place: "file" | "cache" | "memory" | "disk";
}

/** A model, whole or in part, that this browser keeps for this site. */
export interface Stored {
  key: string;
  name: string;
  /** Address of the manifest or of the file. */
  address: string;
  /** Length when whole; `null` where the server did not say. */
  bytes: number | null;
  /** Bytes here already. */
  whole: number;
  isDone: boolean;
}

export interface Progress {
  /** `fetch`: from the network into this browser. `read`: from there into the model. */
  stage: "fetch" | "read";
  done: number;
  /** `null` where the server does not say. */
  total: number | null;
}

export interface Text {
  text: string;
  /** Geometric mean of the probabilities of its words, 0 to 1. */
  confidence: number;
}

export interface Match {
  /** That the text describes the picture, from reading both together (ITM). */
  probability: number;
  /** Cosine of the picture's and the text's vectors (ITC). */
  similarity: number;
}

export interface SearchResult {
  id: number;
  similarity: number;
  /**
   * That the text describes the picture; `undefined` where that is not known: of what was not yet read together with
   * the text, by a model whose file does not say how similarities are to be weighed.
   */
  probability: number | undefined;
}

/** Which picture regions were looked at for each word. */
export interface Look {
  words: string[];
  /** Maps are square, `side` cells a side, stretched over the whole picture. */
  side: number;
  /** `words.length * side * side`, row by row; each map sums to 1. */
  maps: Float32Array;
}

interface CallOptions {
  /** Stops the call: its promise rejects with an `AbortError` at once, the engine at its next safe point. */
  signal?: AbortSignal;
  /** Lets every call without this go first; a background caption under way is begun again after them. */
  background?: boolean;
}

export interface CaptionOptions extends CallOptions {
  /** Default `beam`. */
  strategy?: "beam" | "greedy" | "sample";
  /** Default 3. */
  beams?: number;
  topP?: number;
  temperature?: number;
  seed?: number;
  /** In tokens; default 5. */
  minLength?: number;
  /** In tokens; default 20. */
  maxLength?: number;
  prompt?: string;
  /** How many captions; at most `beams` under beam search. */
  count?: number;
  repetitionPenalty?: number;
  /**
   * How much it counts how similar a whole caption is to the picture, where beam search ends with several and the model
   * compares too; default 1, 0 to take what beam search has first.
   */
  similarityWeight?: number;
  /** Hears the text so far after every token. */
  onText?: (text: string) => void;
}

export interface AskOptions extends CallOptions {
  /** Picks among these instead of writing. */
  choices?: string[];
  beams?: number;
  count?: number;
  onText?: (text: string) => void;
}

/**
 * `name` is one of
 * - `AbortError`: cancelled or closed
 * - `DeviceLostError`: the graphics device failed; open another `Medley` with `device: "cpu"`
 * - `MemoryError`: the device or the browser has no memory left
 * - `EngineError`: the engine stopped for good, or did not arrive (`isAbsent`); open another `Medley`
 * - `UnsupportedError`: this browser cannot run the engine
 * - `NetworkError`: the connection broke (`done`, `total`); loading again goes on from there
 * - `HttpError`: the server refused (`status`)
 * - `DamagedError`: a piece did not have its SHA-256
 * - `QuotaExceededError`: no room to store the model
 * - `Error`: all else, in the words of the engine
 */
export class MedleyError extends Error {
  done?: number;
  total?: number | null;
  status?: number;
  isAbsent?: boolean;
}

/** Whether this build has the module that `teach` needs. */
export const canTeach: boolean;

/** A picture and what shall be said of it. */
export interface Lesson {
  picture: Blob | BufferSource;
  caption: string;
}

/** How far teaching is. */
export interface TeachProgress {
  stage: "teach";
  done: number;
  total: number;
  loss: number;
}

export interface OpenOptions {
  device?: "auto" | "cpu" | "gpu" | "software";
  /** Threads to compute with on the CPU at most; as many as there are cores, up to 8, if not given. */
  threads?: number;
}

/**
 * BLIP in a worker. Calls may be made at any time and in any number; they are answered one after another.
 *
 * @example
 * const medley = await Medley.open();
 * await medley.load("models/medley-tiny.json");
 * await medley.see(1, photo);
 * const [best] = await medley.caption(1, { onText: (text) => (output.textContent = text) });
 */
export class Medley {
  /** Starts the engine; `opened` tells when it runs. `load` may be called before that. */
  constructor(options?: OpenOptions);
  /** The same, awaited. `auto`, the default, falls back to the CPU. */
  static open(options?: OpenOptions): Promise<Medley>;

  readonly opened: Promise<Medley>;
  /** `CPU`, or the adapter's name. */
  readonly deviceName: string;
  readonly isGpu: boolean;
  /** Threads that compute on the CPU: one, unless the page is isolated by its headers. */
  readonly threads: number;
  readonly model: Model | undefined;

  /**
   * Loads a model in place of the one before: a manifest (an address that ends in `.json`), a model file's
   * address, a file from disk, or the files of a folder from disk. It is fetched in pieces, kept in this browser
   * and, where it broke off, gone on with. All that was seen before is forgotten.
   *
   * A file of `medley convert` has all inside. To a `model.safetensors` as published belong the texts beside it:
   * `config.json`, `tokenizer.json` or else `vocab.txt`, and, where there is one, `preprocessor_config.json`.
   */
  load(source: string | URL | Blob | File[] | FileList, options?: { onProgress?: (progress: Progress) => void; signal?: AbortSignal }): Promise<Loaded>;
  /** What this browser keeps. */
  stored(): Promise<Stored[]>;
  /** Deletes a kept model by its `key`. */
  discard(key: string): Promise<void>;

  /** Reads a picture (JPEG, PNG, WebP, GIF, BMP, TIFF) and keeps it under a number of your choice. */
  see(id: number, picture: Blob | BufferSource, options?: CallOptions): Promise<void>;
  /** Frees most of what `see` kept: the picture is still found, and must be seen again for all else. */
  shelve(id: number): Promise<void>;
  /** Frees all that `see` kept. */
  forget(id: number): Promise<void>;
  /** Captions, best first. */
  caption(id: number, options?: CaptionOptions): Promise<Text[]>;
  /** Answers, best first. */
  ask(id: number, question: string, options?: AskOptions): Promise<Text[]>;
  /** How well each text fits, in their order. */
  match(id: number, texts: string[], options?: CallOptions): Promise<Match[]>;
  /** Pictures seen, best first: sorted by similarity; then the first `rerank` (8) are read together with the text and find their places. */
  search(text: string, ids: Iterable<number> & { length: number }, options?: {
    rerank?: number;
    onResults?: (results: SearchResult[]) => void;
    /** Awaited before a picture is read together with the text: for those that were shelved to be seen again. */
    onMatch?: (id: number) => Promise<void> | void;
    signal?: AbortSignal;
  }): Promise<SearchResult[]>;
  /** Where the model looked for each word of a text that it wrote. */
  look(id: number, text: string, options?: CallOptions): Promise<Look>;
  /**
   * Teaches the loaded model to write these captions of these pictures, and gives the taught model as a file for
   * `load`, which `medley` reads too; the model that is loaded stays as it is and answers meanwhile. A model that also
   * reads texts reads them as before. Pictures whose captions shall stay belong among the lessons, with what is said
   * of them now.
   *
   * `onProgress` hears of every step and of the lesson's mean loss in it; it ends before `total` where all is known.
   */
  teach(lessons: Lesson[], options?: { onProgress?: (progress: TeachProgress) => void; signal?: AbortSignal }): Promise<Blob>;
  /** Ends the worker; calls under way reject with an `AbortError`. */
  close(): void;
}
