//! Progress on standard error, and only where a person is looking.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use medley::Progress;

use super::interrupt;

/// A bar that shows whatever a task reports.
pub struct Bar {
    bar: ProgressBar,
    shown: &'static str,
}

impl Bar {
    /// A bar; invisible unless standard error is a terminal.
    pub fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Self { bar, shown: "" }
    }

    /// Shows a report and answers whether to go on.
    pub fn report(&mut self, progress: Progress) -> ControlFlow<()> {
        match progress {
            Progress::Loading { done, total } => {
                self.style("loading", "{msg} {bar:30} {bytes}/{total_bytes}");
                self.bar.set_length(total);
                self.bar.set_position(done);
            }
            Progress::Items { stage, done, total } => {
                self.style(stage, "{msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta} left");
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
            Progress::Warning(text) => self.bar.suspend(|| eprintln!("medley: {text}")),
            _ => {}
        }
        interrupt::flow()
    }

    /// Prints a line above the bar, on standard error.
    pub fn line(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away while `show` prints.
    pub fn hide(&self, show: impl FnOnce()) {
        self.bar.suspend(show);
    }

    /// Takes the bar off the screen.
    pub fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.shown = "";
    }

    fn style(&mut self, stage: &'static str, template: &str) {
        if self.shown == stage {
            return;
        }
        self.bar.reset();
        self.bar.set_style(ProgressStyle::with_template(template).expect("templates are constant and right"));
        self.bar.set_message(stage);
        self.shown = stage;
    }
}
