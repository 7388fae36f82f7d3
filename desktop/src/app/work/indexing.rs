//! Reading folders as a task: what is new is searchable while the rest goes on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::opening::spawn;
use super::post::{Message, Post, shared};
use crate::app::notices::Notice;
use crate::app::tasks::{News, TaskId, Wishes};
use crate::app::words::say_with;
use crate::engine::Engine;
use crate::library::Library;
use crate::library::index::{IndexEvent, IndexOptions, IndexSummary, index};
use crate::library::watch::watch;

/// How often the grid shows what is new.
const REFRESH: Duration = Duration::from_millis(1500);

/// What is read, and how.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Folders; all of the library's where there are none.
    pub folders: Vec<PathBuf>,
    /// Believe that files are gone, however many.
    pub forgets: bool,
    /// Nobody asked for it.
    pub is_quiet: bool,
}

/// Reads folders.
pub fn run(library: Library, engine: Engine, reading: Reading, id: TaskId, wishes: Wishes, post: Post) {
    spawn("indexing", move || {
        let mut told = Instant::now();
        let options = IndexOptions { forget_missing: reading.forgets, ..IndexOptions::default() };
        let mut report = |event| {
            match event {
                IndexEvent::Found { files } => post.send(Message::Task(id, News::Progress { done: files, total: 0 })),
                IndexEvent::Progress { done, total, .. } => {
                    post.send(Message::Task(id, News::Progress { done, total }));
                    if told.elapsed() > REFRESH {
                        told = Instant::now();
                        post.send(Message::Changed);
                    }
                }
                IndexEvent::Problem { path, reason } => {
                    post.send(Message::Task(id, News::Problem(format!("{}: {reason}", path.display()))));
                }
                IndexEvent::Warning(warning) => post.send(Message::Task(id, News::Problem(warning))),
            }
            wishes.go_on()
        };
        let news = match index(&library, &engine, &reading.folders, &options, &mut report) {
            Ok(summary) => {
                ask_about_missing(&summary, &post);
                News::Done(told_of(&summary))
            }
            Err(error) => News::Failed(shared(&error)),
        };
        post.send(Message::Task(id, news));
        post.send(Message::Indexed);
        post.send(Message::Changed);
    });
}

/// Watches the folders of the library, until what is sent is dropped.
pub fn hear(library: Library, post: Post) {
    spawn("watching", move || {
        let theirs = post.clone();
        match watch(&library, move |folders| theirs.send(Message::FoldersChanged(folders))) {
            Ok(watch) => post.send(Message::Watching(watch)),
            Err(error) => post.send(Message::Notice(Notice::failed(shared(&error)))),
        }
    });
}

/// A drive that is unplugged looks as if all were gone: nothing is forgotten before someone said so.
fn ask_about_missing(summary: &IndexSummary, post: &Post) {
    if summary.kept == 0 {
        return;
    }
    let text = say_with("index-kept", &[("count", summary.kept.into())]);
    let forget = Box::new(|_: &Library, post: &Post| post.send(Message::Forget));
    post.send(Message::Notice(Notice { button: "undo-forget", ..Notice::with_undo(text, forget) }));
}

fn told_of(summary: &IndexSummary) -> String {
    let name = if summary.is_stopped { "index-stopped" } else { "index-done" };
    say_with(
        name,
        &[
            ("added", summary.added.into()),
            ("changed", (summary.changed + summary.moved).into()),
            ("unchanged", summary.unchanged.into()),
            ("failed", summary.failed.into()),
        ],
    )
}
