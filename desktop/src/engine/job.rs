//! A request on its way, and the end that waits for its replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use anyhow::{Result, anyhow};
use medley::Caption;

use super::{Reply, Request};

/// A flag that says stop; clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request in the queue.
pub(super) struct Job {
    pub request: Request,
    pub cancel: Cancel,
    replies: Sender<Reply>,
    wake: Box<dyn Fn() + Send>,
}

/// Replies that are still to come.
#[derive(Debug)]
pub struct Pending {
    replies: Receiver<Reply>,
    cancel: Cancel,
}

pub(super) fn job(request: Request, wake: Box<dyn Fn() + Send>) -> (Job, Pending) {
    let (sender, replies) = channel();
    let cancel = Cancel::default();
    (Job { request, cancel: cancel.clone(), replies: sender, wake }, Pending { replies, cancel })
}

impl Job {
    pub fn reply(&self, reply: Reply) {
        // Whoever asked may have gone.
        let _ = self.replies.send(reply);
        (self.wake)();
    }
}

impl Pending {
    /// The next reply, if it is there: a window asks in every frame.
    pub fn poll(&self) -> Option<Reply> {
        match self.replies.try_recv() {
            Ok(reply) => Some(reply),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => None,
        }
    }

    /// The next reply, waited for.
    ///
    /// # Errors
    /// What the request failed with, and an end of the engine's thread.
    pub fn wait(&self) -> Result<Reply> {
        match self.replies.recv() {
            Ok(Reply::Failed(error)) => Err(unshared(error)),
            Ok(reply) => Ok(reply),
            Err(_) => Err(anyhow!("the model's thread has ended")),
        }
    }

    /// As [`wait`](Self::wait), for so long at most.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_for(&self, time: Duration) -> Result<Option<Reply>> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.replies.recv_timeout(time) {
            Ok(Reply::Failed(error)) => Err(unshared(error)),
            Ok(reply) => Ok(Some(reply)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the model's thread has ended")),
        }
    }

    /// Features, where that was asked for.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn features(&self) -> Result<Vec<Vec<f32>>> {
        match self.wait()? {
            Reply::Features(features) => Ok(features),
            other => Err(unexpected(&other)),
        }
    }

    /// Captions, where that was asked for; texts on the way are passed over.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn captions(&self) -> Result<Vec<Caption>> {
        loop {
            match self.wait()? {
                Reply::Text(_) => {}
                Reply::Captions(captions) => return Ok(captions),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// The flag that stops the request; dropping this sets it too.
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The error itself, where nobody else holds it.
fn unshared(error: Arc<anyhow::Error>) -> anyhow::Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| anyhow!("{error:#}"))
}

fn unexpected(reply: &Reply) -> anyhow::Error {
    anyhow!("the model's thread answered something else: {reply:?}")
}
