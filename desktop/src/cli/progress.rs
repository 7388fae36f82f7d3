//! Progress on standard error, and only where a person is looking.

use std::fmt::Write;
use std::io::IsTerminal;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use medley::Progress;

use super::interrupt;

/// A bar that shows whatever a task reports.
pub struct Bar {
    bar: ProgressBar,
    shown: &'static str,
}

impl Bar {
    /// A bar; invisible until something is reported, and where standard error is no terminal.
    pub fn new() -> Self {
        Self { bar: ProgressBar::hidden(), shown: "" }
    }

    /// Shows a report and answers whether to go on.
    pub fn report(&mut self, progress: Progress) -> ControlFlow<()> {
        match progress {
            Progress::Loading { done, total } => {
                self.begin("loading", total, "{msg} {bar:30} {bytes}/{total_bytes}");
                self.bar.set_position(done);
            }
            Progress::Items { stage, done, total } => {
                self.begin(stage, total as u64, "{msg} {bar:30} {human_pos}/{human_len} {rate} {eta} left");
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

    /// A new bar for another stage: an old one would be drawn once with the new one's name or length missing.
    fn begin(&mut self, stage: &'static str, total: u64, template: &str) {
        if self.shown == stage {
            self.bar.set_length(total);
            return;
        }
        self.bar.finish_and_clear();
        let rate = |state: &ProgressState, text: &mut dyn Write| {
            // What cannot be written is a bar that nobody sees.
            let _ = write!(text, "{:.1}/s", state.per_sec());
        };
        let style = ProgressStyle::with_template(template).expect("templates are constant and right");
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        self.bar = ProgressBar::with_draw_target(Some(total), target)
            .with_style(style.with_key("rate", rate))
            .with_message(stage);
        self.shown = stage;
    }
}
