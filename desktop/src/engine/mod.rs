//! The one thread that owns the model and its device: a request in, replies out.
//!
//! Futures of a GPU may not hop threads, and work is queued by thread, so everything that computes with the model asks
//! this thread. Interactive requests overtake the batches of an indexing run.

mod job;
mod queue;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use medley::pipeline::{Calibration, Look, Reading};
use medley::preprocess::Preprocessor;
use medley::{AnswerOptions, Caption, CaptionOptions, DeviceChoice, LoadOptions};

pub use job::{Cancel, Pending};
use queue::Queue;

/// Who waits for a request: the lower of two goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Someone looks at the screen and waits.
    Interactive,
    /// A task that someone started and that may take a while.
    Task,
    /// Photographs that are indexed.
    Indexing,
}

/// A picture as the model takes it: what [`Preprocessor::pixels`] made of its bytes.
pub type Pixels = Arc<Vec<f32>>;

/// What the engine can be asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// The features of pictures in the space that pictures and texts share (ITC), each of unit length.
    PictureFeatures(Vec<Pixels>),
    /// The features of texts in the same space.
    TextFeatures(Vec<String>),
    /// How well a text describes a picture, by reading both together (ITM) and by features.
    Match {
        /// The picture.
        picture: Pixels,
        /// The text.
        text: String,
    },
    /// What reading every text together with every picture says of a search.
    Read {
        /// The pictures.
        pictures: Vec<Pixels>,
        /// The texts.
        texts: Vec<String>,
    },
    /// Captions of one picture.
    Caption {
        /// The picture.
        picture: Pixels,
        /// How they are written.
        options: CaptionOptions,
    },
    /// Answers to a question about a picture.
    Answer {
        /// The picture.
        picture: Pixels,
        /// The question.
        question: String,
        /// How they are written.
        options: AnswerOptions,
    },
    /// What was looked at for each word of a text about a picture.
    Look {
        /// The picture.
        picture: Pixels,
        /// The text.
        text: String,
    },
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// One feature for each picture or text.
    Features(Vec<Vec<f32>>),
    /// One match.
    Match(medley::Match),
    /// For each picture one of each text.
    Readings(Vec<Vec<Reading>>),
    /// The text so far of what is being written; more follows.
    Text(String),
    /// The captions, the best first.
    Captions(Vec<Caption>),
    /// The answers, the best first.
    Answers(Vec<medley::pipeline::Answer>),
    /// The maps of a text's words.
    Look(Look),
    /// Why there is nothing else.
    Failed(Arc<anyhow::Error>),
}

/// What the model can do and how its pictures are made.
#[derive(Clone, Debug)]
pub struct About {
    /// What the model is called on screen: its path, or the built-in model's name.
    pub name: String,
    /// The SHA-256 of its weights, in hexadecimal: what vectors made by it are kept under.
    pub key: String,
    /// The device it computes on, in words.
    pub device: String,
    /// Numbers in a feature; `None` for a model that cannot compare.
    pub feature_size: Option<usize>,
    /// Whether it writes captions.
    pub can_caption: bool,
    /// Whether it answers questions.
    pub can_answer: bool,
    /// How evidence of a search is weighed, where the weights say.
    pub calibration: Option<Calibration>,
    /// How bytes of a picture become pixels; any thread may do that.
    pub preprocessor: Preprocessor,
}

/// The model to open.
#[derive(Clone, Debug, Default)]
pub struct ModelChoice {
    /// A checkpoint; the built-in model where there is none.
    pub path: Option<PathBuf>,
    /// How it is loaded.
    pub options: LoadOptions,
}

/// A handle on the engine; clones speak to the same thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Engine {
    about: Arc<About>,
    thread: Arc<Thread>,
}

#[derive(Debug)]
struct Thread {
    queue: Arc<Queue>,
    /// Nanoseconds in which requests were worked on.
    busy: Arc<AtomicU64>,
    handle: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the thread and loads a model on it; returns when the model is there.
    ///
    /// # Errors
    /// What opening the device and loading the model give.
    pub fn open(model: ModelChoice, device: DeviceChoice, report: &mut dyn FnMut(medley::Progress)) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let (sender, opened) = mpsc::channel();
        let busy = Arc::new(AtomicU64::new(0));
        let (their_queue, their_busy) = (Arc::clone(&queue), Arc::clone(&busy));
        let handle = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || worker::run(&model, device, &their_queue, &their_busy, &sender))?;
        let thread = Arc::new(Thread { queue, busy, handle: Some(handle) });
        loop {
            match opened.recv() {
                Ok(worker::Opening::Progress(progress)) => report(progress),
                Ok(worker::Opening::Open(about)) => return Ok(Self { about: Arc::new(*about), thread }),
                Ok(worker::Opening::Failed(error)) => return Err(error),
                Err(_) => return Err(anyhow!("the model's thread ended while it was opened")),
            }
        }
    }

    /// What the model can do.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How long requests were worked on so far, that which is worked on now left out.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.thread.busy.load(Ordering::Relaxed))
    }

    /// Puts a request in the queue; replies arrive in what is returned. Dropping that cancels the request.
    pub fn ask(&self, urgency: Urgency, request: Request) -> Pending {
        self.ask_and_wake(urgency, request, || ())
    }

    /// As [`ask`](Self::ask), calling `wake` after every reply: a window repaints.
    pub fn ask_and_wake(&self, urgency: Urgency, request: Request, wake: impl Fn() + Send + 'static) -> Pending {
        let (job, pending) = job::job(request, Box::new(wake));
        self.thread.queue.push(urgency, job);
        pending
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(handle) = self.handle.take() {
            // A panic of the thread was told to whoever waited for a reply.
            let _ = handle.join();
        }
    }
}
