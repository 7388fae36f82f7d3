//! A thread for everything short that touches the disk, so that no frame does: one job after another.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::post::Post;
use crate::library::Library;

/// Something short to do.
pub type Job = Box<dyn FnOnce(&Library, &Post) + Send>;

/// The thread's handle; it ends with it.
pub struct Clerk(Sender<Job>);

impl Clerk {
    /// Starts the thread.
    pub fn start(library: &Library, post: &Post) -> std::io::Result<Self> {
        let (sender, jobs) = channel::<Job>();
        let (library, post) = (library.clone(), post.clone());
        thread::Builder::new().name("clerk".to_owned()).spawn(move || {
            for job in jobs {
                job(&library, &post);
            }
        })?;
        Ok(Self(sender))
    }

    /// Has something done after everything before it.
    pub fn give(&self, job: impl FnOnce(&Library, &Post) + Send + 'static) {
        // A clerk who is gone takes no jobs; the window is closing.
        let _ = self.0.send(Box::new(job));
    }
}
