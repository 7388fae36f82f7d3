//! Hears of changes in the folders of a library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use notify::event::EventKind;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::Library;

/// Changes are told when it has been quiet for so long: whoever copies a film writes it for a while.
const QUIET: Duration = Duration::from_secs(2);

/// Changes that never end are told after so long anyway.
const LONGEST: Duration = Duration::from_secs(30);

/// While this lives, changes are heard of.
pub struct Watch {
    /// Dropping it ends the events, and with them the thread.
    _watcher: RecommendedWatcher,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Calls back, from a thread of its own, with the folders in which something changed; give them to
/// [`index`](super::index::index). Folders of the library that are not there now are not watched.
///
/// # Errors
/// A system that cannot watch so many folders, a catalogue that cannot be read.
pub fn watch(library: &Library, changed: impl Fn(Vec<PathBuf>) + Send + 'static) -> Result<Watch> {
    let (sender, events) = channel();
    // A receiver that has gone needs no events.
    let hears = move |event| {
        let _ = sender.send(event);
    };
    let mut watcher = notify::recommended_watcher(hears).context("could not watch the folders")?;
    let roots = library.catalog().roots()?;
    for root in roots.iter().filter(|root| root.is_dir()) {
        watcher.watch(root, RecursiveMode::Recursive).map_err(|error| match error.kind {
            notify::ErrorKind::MaxFilesWatch => {
                anyhow!("the system watches no more folders: raise fs.inotify.max_user_watches, or index again by hand")
            }
            _ => anyhow!("could not watch {}: {error}", root.display()),
        })?;
    }
    let own = library.folder().to_owned();
    std::thread::Builder::new().name("watch".to_owned()).spawn(move || tell(&events, &own, &roots, &changed))?;
    Ok(Watch { _watcher: watcher })
}

fn tell(events: &Receiver<notify::Result<Event>>, own: &Path, roots: &[PathBuf], changed: &impl Fn(Vec<PathBuf>)) {
    while let Ok(event) = events.recv() {
        let mut folders = BTreeSet::new();
        add(&mut folders, event, own, roots);
        let start = Instant::now();
        while !folders.is_empty() && start.elapsed() < LONGEST {
            match events.recv_timeout(QUIET) {
                Ok(event) => add(&mut folders, event, own, roots),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        if !folders.is_empty() {
            changed(outermost(folders));
        }
    }
}

/// Adds the folders of an event.
fn add(folders: &mut BTreeSet<PathBuf>, event: notify::Result<Event>, own: &Path, roots: &[PathBuf]) {
    let Ok(event) = event else { return };
    if matches!(event.kind, EventKind::Access(_)) {
        return;
    }
    // Events were lost: anything may have changed.
    if event.need_rescan() {
        folders.extend(roots.iter().cloned());
        return;
    }
    for path in event.paths.iter().filter(|path| !path.starts_with(own)) {
        // A folder that came or went is seen from the one above.
        let folder = path.parent().filter(|parent| roots.iter().any(|root| parent.starts_with(root)));
        folders.insert(folder.unwrap_or(path).to_owned());
    }
}

/// Without folders that lie in another one.
fn outermost(folders: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut outer: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !outer.iter().any(|known| folder.starts_with(known)) {
            outer.push(folder);
        }
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_another_is_told_with_it() {
        let folders = ["/a/b", "/a/b/c", "/a/bc", "/d"].map(PathBuf::from);
        let outer = outermost(folders.into_iter().collect());
        assert_eq!(outer, ["/a/b", "/a/bc", "/d"].map(PathBuf::from));
    }
}
