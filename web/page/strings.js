// Every sentence a visitor reads or hears, apart from the document's title and its line for browsers without
// JavaScript. A translation is another file with these keys.

const number = new Intl.NumberFormat("en");
const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** A share as whole per cents; never 0 or 100 for what is only close to it. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "under 1 %";
  if (share < 1 && share > 0.99) return "over 99 %";
  return `${Math.round(share * 100)} %`;
}

/** Bytes as a person would say them. */
export function size(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return bytes >= 1e5 ? `${number.format(Math.round(bytes / 1e6) || oneDigit.format(bytes / 1e6))} MB` : `${number.format(Math.ceil(bytes / 1e3))} kB`;
}

/** What is here of what is needed, in one unit: `12 of 21 MB`. */
export function sizeOf(done, total) {
  if (!total) return size(done);
  const unit = total >= 1e9 ? 1e9 : 1e6;
  const digits = unit === 1e9 ? 2 : total < 1e7 ? 1 : 0;
  return `${(done / unit).toFixed(digits)} of ${(total / unit).toFixed(digits)} ${unit === 1e9 ? "GB" : "MB"}`;
}

const photos = (count) => (count === 1 ? "1 photo" : `${number.format(count)} photos`);

export const strings = {
  skip: "Skip to the photo",
  loadingBar: "Loading the model",
  close: "Close",
  dismiss: "Dismiss",

  // Engine and model
  enginePill: (engine) => `Engine: ${engine}`,
  engineStarting: "Starting…",
  // Browsers need not tell the adapter's name.
  engineGpu: (name) => (name ? `WebGPU · ${name}` : "WebGPU"),
  engineCpu: (threads) => (threads > 1 ? `CPU · ${threads} threads (no WebGPU here)` : "CPU (no WebGPU here)"),
  engineCpuChosen: (threads) => (threads > 1 ? `CPU · ${threads} threads (chosen)` : "CPU (chosen)"),
  engineNone: "Not running",
  modelPill: (text) => `Model: ${text}. Choose another`,
  modelNone: "No model",
  modelFetching: (name, done, total) => `${name} · ${sizeOf(done, total)}`,
  modelLoading: (name) => `Loading ${name}`,
  modelReading: (name) => `${name} · opening`,
  modelReady: (name) => `${name} is ready.`,
  waitingForModel: (done, total) => `Waiting for the model: ${sizeOf(done, total)} so far. The photo is read as soon as it is here.`,
  waitingToOpen: "Waiting for the model to open. The photo is read next.",
  waitingForEngine: "Waiting for the engine to start. The photo is read next.",
  noModel: "No model is loaded, so this photo waits.",
  themeDark: "Use dark colours",
  themeLight: "Use light colours",

  // Welcome
  welcome: "Choose photos",
  drop: "Drop a photo, paste, or choose",
  dropHint: "JPEG, PNG, WebP, GIF, BMP, TIFF. Several at once if you like.",
  dropHere: "Drop your photos",
  samplesTitle: "None at hand? Try one of these",
  samples: [
    { file: "astronaut.jpg", name: "Astronaut" },
    { file: "chelsea.jpg", name: "Cat" },
    { file: "coffee.jpg", name: "Coffee" },
  ],
  sampleAlt: (name) => `Sample photo: ${name}`,
  promise: "Runs on your device. Nothing is uploaded.",
  camera: "Use the camera",
  folder: "Open a folder",
  addFiles: "Add photos",
  noPhotosFound: "No photos were found in there. Photos end in .jpg, .png, .webp, .gif, .bmp or .tif.",
  leftOut: (count) => (count === 1 ? "1 file is no photo and was left out." : `${number.format(count)} files are no photos and were left out.`),
  tooManyPhotos: (kept, found) => `${number.format(found)} photos were found; the first ${number.format(kept)} are here. Open a smaller folder for the others.`,
  sampleMissing: "This sample could not be fetched. Choose a photo of your own.",

  // Camera
  cameraTitle: "Camera",
  viewfinder: "What the camera sees",
  shutter: "Take the photo",
  cameraName: (count) => `camera-${count}.jpg`,
  cameraNone: "No camera can be used here. Choose a photo instead.",
  cameraDenied: "The browser was not allowed to use the camera. Allow it in the address bar, or choose a photo instead.",
  cameraChoose: "Choose a photo",

  // Caption
  stage: "Photo",
  captionTitle: "Caption",
  photoAlt: (name, caption) => (caption ? `${name}: ${caption}` : name),
  noPreview: "This browser cannot show the photo. It is read all the same.",
  captionWords: (text) => `Caption: ${text}. Move over the words with the arrow keys to see what each one looked at.`,
  captionTools: "Caption",
  reading: "Looking at the photo…",
  writing: "Writing…",
  queued: "Waiting for the photos before this one…",
  captionStopped: "Stopped.",
  confidence: { sure: "sure", fairly: "fairly sure", guessing: "guessing" },
  confidenceTip: (share) => `The model gave its words ${percent(share)} on average`,
  captionSaid: (text, level) => `Caption: ${text}. The model is ${level}.`,
  lookHint: "Point at a word to see where the model looked.",
  looking: "Finding where the model looked…",
  lookFailed: "Where the model looked could not be found for this word.",
  lookSaid: (word, place) => `For “${word}” the model looked mostly ${place}.`,
  places: [
    ["at the top left", "at the top", "at the top right"],
    ["at the left", "at the middle", "at the right"],
    ["at the bottom left", "at the bottom", "at the bottom right"],
  ],
  copy: "Copy",
  copied: "Copied",
  copyFailed: "The browser did not allow copying. The caption is selected: copy it with the keyboard.",
  another: "Another",
  anotherTip: "Writes a different caption",
  shorter: "Shorter",
  longer: "Longer",
  write: "Write the caption",
  stopCaption: "Stop",
  promptTitle: "Begin with your own words",
  promptLabel: "First words of the caption",
  promptHint: (prompt) => (prompt ? `Usually: ${prompt}` : "a photo of"),
  promptWrite: "Write",
  earlier: (count) => (count === 1 ? "1 earlier caption" : `${count} earlier captions`),
  useEarlier: (text) => `Use: ${text}`,
  cannotCaption: {
    answer: "This model answers questions only. Pick another model to write captions.",
    match: "This model compares photos with texts only. Pick another model to write captions.",
    both: "This model writes no captions. Pick another model for them.",
  },

  // Questions
  askTitle: "Ask about this photo",
  askLabel: "Ask about this photo",
  askHint: "Ask about this photo…",
  ask: "Ask",
  turns: "Questions and answers",
  chips: "Suggested questions",
  suggested: ["What is in the picture?", "How many people are there?", "Where was it taken?"],
  answering: "Thinking…",
  answerStopped: "Stopped.",
  stopAnswer: "Stop",
  answerSaid: (answer, level) => `Answer: ${answer}. The model is ${level}.`,
  alternatives: (count) => (count === 1 ? "1 other answer" : `${count} other answers`),
  answerEmpty: "The model had no answer. Ask it another way.",
  cannotAsk: {
    caption: "This model writes captions only. Pick another model to ask questions.",
    match: "This model compares photos with texts only. Pick another model to ask questions.",
    both: "This model answers no questions. Pick another model to ask.",
  },

  // Match
  matchTitle: "Does this text match?",
  matchLabel: "A text to compare with the photo",
  matchHint: "A dog in the snow",
  match: "Check",
  matches: "Texts compared",
  matching: "Comparing…",
  matchYes: "Matches",
  matchNo: "Does not match",
  matchMeter: (text) => `How likely “${text}” matches`,
  matchSaid: (text, verdict, share) => `${text}: ${verdict}, ${percent(share)}.`,
  cannotMatch: {
    caption: "This model writes captions only. Pick another model to compare texts.",
    answer: "This model answers questions only. Pick another model to compare texts.",
    both: "This model compares no texts. Pick another model for it.",
  },

  // Gallery
  gallery: "Photos",
  strip: "Your photos",
  photoStates: {
    waiting: "waiting", reading: "being read", writing: "being captioned", done: "captioned",
    read: "read", failed: "could not be read", stopped: "stopped",
  },
  photoButton: (name, state) => `${name}, ${state}`,
  removePhoto: (name) => `Remove ${name}`,
  removed: (name) => `${name} is removed from this page. The file is untouched.`,
  workIdle: (count) => photos(count),
  workDone: (done, total, what) => `${number.format(done)} of ${number.format(total)} ${what === "caption" ? "captioned" : "read"}`,
  workPaused: (left) => `Stopped with ${photos(left)} to go`,
  workFailed: (count) => `${number.format(count)} could not be read`,
  workFinished: (count) => `All ${photos(count)} are done.`,
  stopWork: "Stop",
  goOn: "Go on",
  searchLabel: "Search these photos",
  searchHint: "Search these photos",
  searchCannot: "This model cannot search. Pick another model to find photos by words.",
  searchWaiting: (read, total) => `${number.format(read)} of ${number.format(total)} photos are read and can be found so far.`,
  searching: "Searching…",
  searchFound: (count) => `${photos(count)}, best first.`,
  searchSaid: (count, best) => `${photos(count)} sorted. The best is ${best}.`,

  // Export
  exportOpen: "Export",
  exportTitle: "Export captions",
  exportState: (count) => (count === 0 ? "No photo has a caption yet." : `${photos(count)} with a caption.`),
  exportText: "Text: one line a photo",
  exportJsonl: "JSON lines: name, caption, confidence",
  exportCsv: "CSV for spreadsheets",
  exportZip: "Zip: a .txt beside each photo",
  exported: (name) => `Saved as ${name}.`,

  // Teach
  teachOpen: "Teach…",
  teachTitle: "Teach it your words",
  teachHint: "Change what should be said of your photos: a name, a style, what it got wrong. The model learns it on this device; nothing is uploaded.",
  lessons: "Photos and what should be said of them",
  lesson: (name) => `What should be said of ${name}`,
  lessonNow: (caption) => `Says now: ${caption}`,
  teachStart: (count) => (count === 0 ? "Change a caption first" : count === 1 ? "Learn 1 caption" : `Learn ${number.format(count)} captions`),
  teachStop: "Stop",
  teachUndo: "Undo",
  teachSave: "Download the model",
  teachProgress: "Learning",
  teachPreparing: "Opening the model that learns…",
  teachStep: (done, total, loss) => `Learning: step ${number.format(done)} of ${number.format(total)} at most, loss ${loss.toFixed(2)}`,
  teachDone: (count) => `It has learned ${count === 1 ? "one caption" : `${number.format(count)} captions`}, and is in use until you leave this page. Download it to keep it.`,
  teachStopped: "Stopped. The model is as it was.",
  teachUndone: "The model is as it was before.",
  taughtModel: "Taught by you",

  // Picker
  pickerTitle: "Models",
  builtIn: "Medley tiny",
  can: { caption: "Captions", answer: "Questions", match: "Match and search" },
  licence: (name) => `Licence: ${name}`,
  parameters: (count) => `${oneDigit.format(count / 1e6)} M parameters`,
  stateInUse: "In use",
  stateDownloaded: "Downloaded",
  statePart: (done, total) => `${sizeOf(done, total)} downloaded`,
  get: "Get",
  getGoOn: "Go on",
  use: "Use",
  cancel: "Cancel",
  remove: "Remove from this browser",
  modelButton: (action, name) => `${action}: ${name}`,
  hubPage: (name) => `${name} on huggingface.co`,
  ownTitle: "Another model",
  ownHint: "A folder as on huggingface.co (model.safetensors, config.json, tokenizer.json or vocab.txt), or a .safetensors file that medley convert wrote.",
  modelFile: "Open files…",
  modelFolder: "Open a folder…",
  modelFolderBad: "No model.safetensors lies in there.",
  modelUrlLabel: "Address of a model",
  modelUrlHint: "https://huggingface.co/…",
  modelUrlGet: "Get",
  modelUrlBad: "This is no address of a model. It begins with https:// and is a page on huggingface.co, or ends in .safetensors.",
  modelUrlElsewhere: (host) => `This page may connect only to its own site and huggingface.co, not to ${host}. Download the files and open them from disk.`,
  unchecked: "No checksum is published with this file, so only its length was checked.",
  checked: "Checked against its SHA-256.",
  unknownLicence: "Licence: see where it comes from",
  unknownSize: "Size: shown while it loads",
  models: {
    tiny: "Small and quick, taught with 9,000 photographs, most of people and dogs, and often wrong. CIDEr 54.7 on Flickr8k validation; of 100 answers 41 are right.",
    captionBase: "The published captioner: CIDEr 133.3 on COCO in the paper. Fifteen times the weights of the built-in model.",
    captionLarge: "The published large captioner: CIDEr 136.7 on COCO in the paper, 3.4 more than base, for twice the size.",
    vqaBase: "The published answerer: 78.3 % on VQA 2.0 test-dev in the paper.",
    itmBase: "The published matcher for COCO: finds the right photo first for about 64 of 100 captions in the paper.",
  },

  // Trouble: a sentence, and the button that goes with it.
  again: "Try again",
  pickAnother: "Pick another model",
  useCpu: "Go on with the CPU",
  startAgain: "Start again",
  useBuiltIn: "Use the built-in model",
  trouble: {
    deviceLost: "The graphics device stopped answering.",
    deviceMemory: "The graphics device has no memory left for this.",
    memory: "The browser has no memory left for this model. A smaller one may fit.",
    engine: "The engine stopped. What you see here stays; starting again opens the model again.",
    noEngine: "The engine could not be fetched. Are you online?",
    unsupported: "This browser cannot run the engine: it needs WebAssembly with SIMD. A current Chrome, Edge, Firefox or Safari has it.",
    noDevice: "There is no such device here.",
    network: (done, total) => (done ? `The connection broke at ${sizeOf(done, total)}. What is here is kept.` : "The model could not be fetched. Are you online?"),
    damaged: "A piece of the model arrived damaged twice and was thrown away. What is whole is kept.",
    http: (status) => `The server answered ${status} instead of the model.`,
    room: "The browser has no room left to store this model. Remove another model or pick a smaller one.",
    model: (reason) => `This file is no model that Medley can open: ${reason}.`,
    teach: (reason) => `It could not be taught: ${reason}.`,
    picture: "This file could not be read as a picture. Try a JPEG, PNG or WebP.",
    pictureReason: (reason) => `This photo could not be read: ${reason}. Try a JPEG, PNG or WebP.`,
    caption: (reason) => `The caption could not be written: ${reason}.`,
    answer: (reason) => `The question could not be answered: ${reason}.`,
    match: (reason) => `The text could not be compared: ${reason}.`,
    search: (reason) => `The search stopped: ${reason}.`,
    camera: (reason) => `The camera does not start: ${reason}.`,
  },
};
