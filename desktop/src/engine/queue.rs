//! Requests that wait, the most urgent first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Urgency;
use super::job::Job;

/// Requests of every urgency, each in the order they came.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: [VecDeque<Job>; 3],
    is_closed: bool,
}

impl Queue {
    pub fn push(&self, urgency: Urgency, job: Job) {
        let mut state = self.lock();
        // With the thread gone, dropping the job tells whoever asked.
        if !state.is_closed {
            state.waiting[urgency as usize].push_back(job);
            self.changed.notify_one();
        }
    }

    /// The most urgent request; waits for one, and answers `None` when there will be no more.
    pub fn pop(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(job) = state.waiting.iter_mut().find_map(VecDeque::pop_front) {
                if job.cancel.is_cancelled() {
                    continue;
                }
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more requests: those that wait are dropped.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.waiting = Default::default();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A job is moved in and out whole: a panic elsewhere leaves the queue sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").finish_non_exhaustive()
    }
}
