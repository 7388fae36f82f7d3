//! Files carried with the pointer out of the window into another program.
//!
//! winit tells of what is dropped on a window, and cannot begin a drag; where the window system has a way that this
//! program knows, it goes it itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use eframe::egui::{Context, CursorIcon};
use raw_window_handle::HasWindowHandle;

cfg_select! {
    target_os = "linux" => {
        mod x11;
        use x11 as system;
    }
    _ => {
        mod nowhere;
        use nowhere as system;
    }
}

pub use system::{Window, run};

/// Where the pointer is with what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing that would take it.
    Nothing,
    /// A window that would.
    Taker,
    /// It was let go.
    Ended,
}

/// Something that is being carried, as whoever waits for it and whoever carries it know it.
#[derive(Clone, Debug, Default)]
pub struct Carry(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    over: AtomicU8,
    is_cancelled: AtomicBool,
}

impl Carry {
    /// Where the pointer is.
    pub fn over(&self) -> Over {
        match self.0.over.load(Ordering::Acquire) {
            0 => Over::Nothing,
            1 => Over::Taker,
            _ => Over::Ended,
        }
    }

    /// Says where the pointer is; answers whether that is new.
    pub fn turn(&self, over: Over) -> bool {
        let over = match over {
            Over::Nothing => 0,
            Over::Taker => 1,
            Over::Ended => 2,
        };
        self.0.over.swap(over, Ordering::AcqRel) != over
    }

    /// Takes it back: nothing is given to anyone.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Release);
    }

    /// Whether it was taken back.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// Shows by the pointer what letting go would do; `None` when it has happened.
    pub fn show(self, context: &Context) -> Option<Self> {
        context.set_cursor_icon(match self.over() {
            Over::Nothing => CursorIcon::Grabbing,
            Over::Taker => CursorIcon::Copy,
            Over::Ended => return None,
        });
        Some(self)
    }
}

/// The window that things are carried out of, where this is possible.
pub fn window(handle: &impl HasWindowHandle) -> Option<Window> {
    handle.window_handle().ok().and_then(|handle| system::window(handle.as_raw()))
}
