//! A thread that asks the model about the photograph under the cursor: it decodes, the model's own thread computes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use anyhow::Result;
use medley::{AnswerOptions, CaptionOptions};

use super::opening::spawn;
use super::post::{Asked, Message, Post, shared};
use crate::engine::{Engine, Pixels, Request, Urgency};
use crate::library::decode;
use crate::library::photo::Photo;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// A caption.
    Caption,
    /// The answer to this.
    Answer(String),
    /// How well this describes it.
    Match(String),
    /// What is looked at for each word of this.
    Look(String),
}

/// The thread's handle; it ends with it.
pub struct Asking(Sender<(Photo, Question)>);

impl Asking {
    /// Starts the thread.
    pub fn start(engine: Engine, post: Post) -> Self {
        let (sender, questions) = channel::<(Photo, Question)>();
        spawn("asking", move || {
            let mut last: Option<(PathBuf, i64, Pixels)> = None;
            for (photo, question) in questions {
                let (asked, content) = (question.asked(), photo.content);
                let pending = pixels(&engine, &photo, &mut last)
                    .map(|picture| engine.ask_and_wake(Urgency::Interactive, question.request(picture), post.waker()))
                    .map_err(|error| shared(&error));
                post.send(Message::Asked(content, asked, pending));
            }
        });
        Self(sender)
    }

    /// Asks about a photograph.
    pub fn ask(&self, photo: Photo, question: Question) {
        // Without the thread the window is closing.
        let _ = self.0.send((photo, question));
    }
}

impl Question {
    fn asked(&self) -> Asked {
        match self {
            Self::Caption => Asked::Caption,
            Self::Answer(_) => Asked::Answer,
            Self::Match(_) => Asked::Match,
            Self::Look(_) => Asked::Look,
        }
    }

    fn request(self, picture: Pixels) -> Request {
        match self {
            Self::Caption => Request::Caption { picture, options: CaptionOptions::default() },
            Self::Answer(question) => Request::Answer { picture, question, options: AnswerOptions::default() },
            Self::Match(text) => Request::Match { picture, text },
            Self::Look(text) => Request::Look { picture, text },
        }
    }
}

/// The photograph as the model takes it; the last one is kept, so that the model knows it again.
fn pixels(engine: &Engine, photo: &Photo, last: &mut Option<(PathBuf, i64, Pixels)>) -> Result<Pixels> {
    if let Some((path, modified, pixels)) = last
        && *path == photo.path
        && *modified == photo.modified_ms
    {
        return Ok(Arc::clone(pixels));
    }
    let pixels = decode::pixels(&photo.path, photo.kind, &engine.about().preprocessor)?;
    *last = Some((photo.path.clone(), photo.modified_ms, Arc::clone(&pixels)));
    Ok(pixels)
}
