//! Opening the library and the model, each on a thread of its own: the window is there at once.

use std::path::PathBuf;
use std::thread;

use medley::{DeviceChoice, Progress};

use super::post::{Message, Post, shared};
use crate::engine::{Engine, ModelChoice};
use crate::library::Library;

/// Opens the library in a folder.
pub fn library(folder: PathBuf, post: Post) {
    spawn("library", move || {
        post.send(Message::Library(Library::open(&folder).map_err(|error| shared(&error))));
    });
}

/// Loads a model; what is told of it bears the number.
pub fn engine(model: ModelChoice, device: DeviceChoice, number: u64, post: Post) {
    spawn("model", move || {
        let opened = Engine::open(model, device, &mut |progress| {
            if let Progress::Loading { done, total } = progress {
                post.send(Message::Loading { number, done, total });
            }
        });
        post.send(Message::Engine(number, opened.map_err(|error| shared(&error))));
    });
}

/// Starts a thread; without one nothing of what it would do comes.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name(name.to_owned()).spawn(work);
}
