//! How threads speak to the window: by messages that it reads before it draws.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use eframe::egui::{ColorImage, Context};

use super::search::Found;
use super::thumbnails::Loaded;
use crate::app::bulk::{Draft, Plan};
use crate::app::details::About;
use crate::app::notices::Notice;
use crate::app::settings::Settings;
use crate::app::sources::Contents;
use crate::app::tasks::{News, TaskId};
use crate::engine::{Engine, Pending};
use crate::library::Library;
use crate::library::photo::{ContentId, PhotoId};
use crate::library::watch::Watch;

/// What a thread tells the window.
pub enum Message {
    /// The library is open, or why it is not.
    Library(Result<Library, String>),
    /// How far a model is.
    Loading {
        /// Which opening.
        number: u64,
        /// Bytes read.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Which opening: the model is open, or why it is not.
    Engine(u64, Result<Engine, String>),
    /// A model was chosen.
    Model(PathBuf),
    /// A search has found something.
    Found(Found),
    /// A thumbnail, or why there is none.
    Thumbnail(Loaded),
    /// A photograph in full, or why it cannot be shown.
    Picture(PhotoId, Result<ColorImage, String>),
    /// What is known of the photograph under the cursor.
    About(Box<About>),
    /// The model was asked something about a photograph.
    Asked(ContentId, Asked, Result<Pending, String>),
    /// How the window was left.
    Settings(Settings),
    /// What stands at the left.
    Contents(Box<Contents>),
    /// News of a task.
    Task(TaskId, News),
    /// A draft of a caption that may be written.
    Draft(u64, PhotoId, Draft),
    /// Files that a plan would write over.
    Checked(Plan, Result<usize, String>),
    /// A folder was chosen for the files of a plan.
    Mirror(PathBuf),
    /// A folder was chosen for copies of these photographs.
    Copies(PathBuf, Vec<PhotoId>),
    /// A folder was chosen for the library.
    Folder(PathBuf),
    /// Something a person should know.
    Notice(Notice),
    /// The catalogue has changed: what is shown is old.
    Changed,
    /// A run through the folders has ended.
    Indexed,
    /// Someone said that what seems gone is gone.
    Forget,
    /// Folders should be read again.
    Rescan,
    /// Something changed in these folders.
    FoldersChanged(Vec<PathBuf>),
    /// Folders are watched as long as this lives.
    Watching(Watch),
}

/// What the model was asked about a photograph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A caption.
    Caption,
    /// An answer.
    Answer,
    /// How well a text describes it.
    Match,
    /// What it looks at, word by word.
    Look,
}

/// Where threads put their messages.
#[derive(Clone)]
pub struct Post {
    sender: Sender<Message>,
    context: Context,
}

impl Post {
    /// A post, and where its messages arrive.
    pub fn new(context: &Context) -> (Self, Receiver<Message>) {
        let (sender, inbox) = channel();
        (Self { sender, context: context.clone() }, inbox)
    }

    /// Sends a message and wakes the window.
    pub fn send(&self, message: Message) {
        // A window that was closed needs no messages.
        let _ = self.sender.send(message);
        self.context.request_repaint();
    }

    /// What wakes the window, for who has news of their own.
    pub fn waker(&self) -> impl Fn() + Send + 'static {
        let context = self.context.clone();
        move || context.request_repaint()
    }
}

/// A reason as a message carries it.
pub fn shared(error: &anyhow::Error) -> String {
    crate::app::words::reason(error)
}
