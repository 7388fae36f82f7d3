//! Ctrl-C asks a task to stop at its next safe point; a second one ends the process.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
pub fn listen() {
    let handler = || {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    };
    // Where no handler can be set, Ctrl-C ends the process at once, as it would anyway.
    let _ = ctrlc::set_handler(handler);
}

/// What a report answers: go on, or stop because someone asked to.
pub fn flow() -> ControlFlow<()> {
    if ASKED.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
