//! What goes on in the background, in a small panel: how far it is, pausing, cancelling, what went wrong.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eframe::egui::{Frame, Id, Margin, ProgressBar, RichText, ScrollArea, Ui};

use super::action::Action;
use super::icons::{self, Icon};
use super::theme::{RADIUS, palette};
use super::words::{left, say, say_with};

/// Which task.
pub type TaskId = u64;

/// Errors that are listed; the others are counted.
const LISTED: usize = 500;

/// What can be done with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Wait.
    Pause,
    /// Go on.
    Continue,
    /// Stop.
    Cancel,
    /// Take it from the panel, once it has ended.
    Dismiss,
}

/// What a task tells of itself.
#[derive(Clone, Debug)]
pub enum News {
    /// How far it is; a total of 0 is not known yet.
    Progress {
        /// Finished.
        done: usize,
        /// In all.
        total: usize,
    },
    /// Something that went wrong without ending it.
    Problem(String),
    /// It has ended, with a sentence about how.
    Done(String),
    /// It could not go on, and why.
    Failed(String),
}

/// What a task's thread looks at: whether to wait, whether to stop.
#[derive(Clone, Debug, Default)]
pub struct Wishes(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    pause: AtomicBool,
    stop: AtomicBool,
}

impl Wishes {
    /// Waits while the task is paused; breaks when it was cancelled.
    pub fn go_on(&self) -> ControlFlow<()> {
        while self.0.pause.load(Ordering::Relaxed) && !self.is_cancelled() {
            thread::sleep(Duration::from_millis(60));
        }
        if self.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Asks it to stop.
    pub fn cancel(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Running,
    Paused,
    Done(String),
    Failed(String),
}

struct Task {
    id: TaskId,
    title: String,
    state: State,
    done: usize,
    total: usize,
    problems: Vec<String>,
    more_problems: usize,
    wishes: Wishes,
    /// When it was last so far: what its speed is reckoned from.
    marks: Vec<(Instant, usize)>,
    begun: Instant,
    ended: Option<Instant>,
    /// Whether nobody asked for it: it is shown only while it takes long.
    is_quiet: bool,
}

/// All tasks.
#[derive(Default)]
pub struct Tasks {
    tasks: Vec<Task>,
    next: TaskId,
}

impl Tasks {
    /// Begins a task.
    pub fn begin(&mut self, title: String) -> (TaskId, Wishes) {
        self.next += 1;
        let wishes = Wishes::default();
        self.tasks.push(Task {
            id: self.next,
            title,
            state: State::Running,
            done: 0,
            total: 0,
            problems: Vec::new(),
            more_problems: 0,
            wishes: wishes.clone(),
            marks: Vec::new(),
            begun: Instant::now(),
            ended: None,
            is_quiet: false,
        });
        (self.next, wishes)
    }

    /// Begins a task that nobody asked for.
    pub fn begin_quietly(&mut self, title: String) -> (TaskId, Wishes) {
        let begun = self.begin(title);
        self.tasks.iter_mut().filter(|task| task.id == begun.0).for_each(|task| task.is_quiet = true);
        begun
    }

    /// Whether anything is going on.
    pub fn is_busy(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task.state, State::Running | State::Paused))
    }

    /// Hears of a task.
    pub fn receive(&mut self, id: TaskId, news: News) {
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) else { return };
        match news {
            News::Progress { done, total } => {
                (task.done, task.total) = (done, total);
                task.mark();
            }
            News::Problem(problem) if task.problems.len() < LISTED => task.problems.push(problem),
            News::Problem(_) => task.more_problems += 1,
            News::Done(sentence) => task.end(State::Done(sentence)),
            News::Failed(reason) => task.end(State::Failed(reason)),
        }
    }

    /// Does what someone asked for.
    pub fn control(&mut self, id: TaskId, control: Control) {
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) else { return };
        match control {
            Control::Pause => {
                task.wishes.0.pause.store(true, Ordering::Relaxed);
                task.state = State::Paused;
            }
            Control::Continue => {
                task.wishes.0.pause.store(false, Ordering::Relaxed);
                task.state = State::Running;
                task.marks.clear();
            }
            Control::Cancel => task.wishes.cancel(),
            Control::Dismiss => self.tasks.retain(|task| task.id != id),
        }
    }

    /// Stops all of them: the window is closed.
    pub fn cancel_all(&self) {
        for task in &self.tasks {
            task.wishes.cancel();
        }
    }

    /// Whether there is something to show; tasks that ended well go after a while.
    pub fn is_shown(&mut self, ui: &Ui) -> bool {
        const SHOWN: Duration = Duration::from_secs(6);
        self.tasks.retain(|task| {
            let is_good = matches!(task.state, State::Done(_)) && task.problems.is_empty();
            !(is_good && task.ended.is_some_and(|ended| ended.elapsed() > SHOWN))
        });
        if !self.tasks.is_empty() {
            ui.ctx().request_repaint_after(Duration::from_secs(1));
        }
        self.tasks.iter().any(Task::is_shown)
    }

    /// Draws them.
    pub fn ui(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let colors = palette(ui);
        let frame = Frame::new().fill(colors.panel).stroke((1.0, colors.line)).corner_radius(RADIUS + 2);
        frame.shadow(ui.visuals().popup_shadow).inner_margin(Margin::same(12)).show(ui, |ui| {
            ui.set_width(300.0);
            for (place, task) in self.tasks.iter().filter(|task| task.is_shown()).enumerate() {
                if place > 0 {
                    ui.separator();
                }
                action = task.ui(ui).or(action.take());
            }
        });
        action
    }
}

impl Task {
    fn is_shown(&self) -> bool {
        const LONG: Duration = Duration::from_millis(1500);
        let has_trouble = matches!(self.state, State::Failed(_));
        !self.is_quiet || has_trouble || (self.ended.is_none() && self.begun.elapsed() > LONG)
    }

    fn ui(&self, ui: &mut Ui) -> Option<Action> {
        let mut control = None;
        let colors = palette(ui);
        ui.horizontal(|ui| {
            ui.strong(&self.title);
            ui.with_layout(eframe::egui::Layout::right_to_left(eframe::egui::Align::Center), |ui| {
                let mut button = |ui: &mut Ui, icon: Icon, name: &str, does: Control| {
                    let label = say_with(name, &[("task", self.title.as_str().into())]);
                    if icons::button(ui, icon, &label).clicked() {
                        control = Some(does);
                    }
                };
                match self.state {
                    State::Running => {
                        button(ui, Icon::Close, "task-cancel", Control::Cancel);
                        button(ui, Icon::Pause, "task-pause", Control::Pause);
                    }
                    State::Paused => {
                        button(ui, Icon::Close, "task-cancel", Control::Cancel);
                        button(ui, Icon::Go, "task-continue", Control::Continue);
                    }
                    State::Done(_) | State::Failed(_) => button(ui, Icon::Close, "task-dismiss", Control::Dismiss),
                }
            });
        });
        match &self.state {
            State::Done(sentence) => {
                ui.label(RichText::new(sentence).color(colors.weak));
            }
            State::Failed(reason) => {
                ui.label(RichText::new(reason).color(colors.error));
            }
            State::Running | State::Paused => {
                #[expect(clippy::cast_precision_loss, reason = "a share")]
                let share = if self.total == 0 { 0.0 } else { self.done as f32 / self.total as f32 };
                let bar = ProgressBar::new(share).desired_height(4.0).fill(colors.accent);
                ui.add(bar).accessible_name(&self.title);
                ui.label(RichText::new(self.line()).color(colors.weak).size(12.5));
            }
        }
        if !self.problems.is_empty() {
            let count = self.problems.len() + self.more_problems;
            let title = say_with("task-problems", &[("count", count.into())]);
            let header = eframe::egui::CollapsingHeader::new(RichText::new(title).color(colors.error).size(12.5));
            header.id_salt(Id::unique("problems").with(self.id)).show(ui, |ui| {
                ScrollArea::vertical().max_height(140.0).show(ui, |ui| {
                    for problem in &self.problems {
                        ui.label(RichText::new(problem).size(12.0));
                    }
                    if self.more_problems > 0 {
                        ui.label(say_with("task-more-problems", &[("count", self.more_problems.into())]));
                    }
                });
            });
        }
        control.map(|control| Action::Control(self.id, control))
    }

    /// `1,204 of 52,310 · 41/s · 21 min`.
    fn line(&self) -> String {
        if self.state == State::Paused {
            return say_with("task-paused", &[("done", self.done.into()), ("total", self.total.into())]);
        }
        if self.total == 0 {
            return match self.done {
                0 => say("task-starting"),
                done => say_with("task-found", &[("count", done.into())]),
            };
        }
        let mut parts = vec![say_with("task-of", &[("done", self.done.into()), ("total", self.total.into())])];
        if let Some(speed) = self.speed().filter(|speed| *speed > 0.0) {
            let shown = if speed < 10.0 { format!("{speed:.1}") } else { format!("{speed:.0}") };
            parts.push(say_with("task-speed", &[("speed", shown.into())]));
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rest = self.total.saturating_sub(self.done) as f64;
            parts.push(left(rest / speed));
        }
        parts.join(" · ")
    }

    /// Finished a second, over the last quarter of a minute.
    fn speed(&self) -> Option<f64> {
        let (first, last) = (self.marks.first()?, self.marks.last()?);
        let seconds = last.0.duration_since(first.0).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let done = last.1.saturating_sub(first.1) as f64;
        (seconds > 0.5).then(|| done / seconds)
    }

    fn mark(&mut self) {
        const WINDOW: Duration = Duration::from_secs(15);
        let now = Instant::now();
        if self.marks.last().is_none_or(|(when, _)| now.duration_since(*when) > Duration::from_millis(200)) {
            self.marks.push((now, self.done));
        }
        let old = self.marks.iter().take_while(|(when, _)| now.duration_since(*when) > WINDOW).count();
        self.marks.drain(..old.min(self.marks.len().saturating_sub(2)));
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.ended = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_task_does_not_wait() {
        let mut tasks = Tasks::default();
        let (id, wishes) = tasks.begin("reading".to_owned());
        assert!(wishes.go_on().is_continue());
        tasks.control(id, Control::Pause);
        tasks.control(id, Control::Cancel);
        assert!(wishes.go_on().is_break());
    }

    #[test]
    fn the_line_says_how_far_it_is() {
        let mut tasks = Tasks::default();
        let (id, _) = tasks.begin("reading".to_owned());
        tasks.receive(id, News::Progress { done: 1_204, total: 52_310 });
        assert_eq!(tasks.tasks[0].line(), "1,204 of 52,310");
    }
}
