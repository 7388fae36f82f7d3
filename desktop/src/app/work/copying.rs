//! Copies of chosen photographs in another folder: never over a file that is there.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::opening::spawn;
use super::post::{Message, Post, shared};
use crate::app::tasks::{News, TaskId, Wishes};
use crate::app::words::say_with;
use crate::library::Library;
use crate::library::photo::PhotoId;

/// Copies photographs to a folder.
pub fn run(library: Library, photos: Vec<PhotoId>, folder: PathBuf, id: TaskId, wishes: Wishes, post: Post) {
    spawn("copying", move || {
        let total = photos.len();
        let mut copied = 0;
        for (done, photo) in photos.into_iter().enumerate() {
            if wishes.go_on().is_break() {
                break;
            }
            let path = match library.catalog().photo(photo) {
                Ok(photo) => photo.map(|photo| photo.path),
                Err(error) => {
                    post.send(Message::Task(id, News::Failed(shared(&error))));
                    return;
                }
            };
            match path.map(|path| copy(&path, &folder)) {
                Some(Ok(_)) => copied += 1,
                Some(Err(error)) => post.send(Message::Task(id, News::Problem(shared(&error)))),
                None => {}
            }
            post.send(Message::Task(id, News::Progress { done: done + 1, total }));
        }
        let shown = folder.display().to_string();
        let sentence = say_with("copy-done", &[("count", copied.into()), ("folder", shown.into())]);
        post.send(Message::Task(id, News::Done(sentence)));
    });
}

/// Copies a file under its name, or with a number where that is taken.
fn copy(path: &Path, folder: &Path) -> Result<PathBuf> {
    let failed = || format!("could not copy {}", path.display());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut source = File::open(path).with_context(failed)?;
    for number in 1..10_000 {
        let mut target = folder.join(path.file_name().unwrap_or_default());
        if number > 1 {
            let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
            target = folder.join(format!("{stem} ({number}){ending}"));
        }
        match File::create_new(&target) {
            Ok(mut file) => {
                if let Err(error) = io::copy(&mut source, &mut file) {
                    // Half a photograph is worse than none.
                    let _ = fs::remove_file(&target);
                    return Err(error).with_context(failed);
                }
                return Ok(target);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(failed),
        }
    }
    anyhow::bail!("could not copy {}: ten thousand files of this name are there", path.display())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_never_takes_the_place_of_a_file() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let photo = from.path().join("a.b.jpg");
        fs::write(&photo, "photo").unwrap();
        fs::write(to.path().join("a.b.jpg"), "another").unwrap();
        let copied = copy(&photo, to.path()).unwrap();
        assert_eq!(copied, to.path().join("a.b (2).jpg"));
        assert_eq!(fs::read(to.path().join("a.b.jpg")).unwrap(), b"another");
        assert_eq!(fs::read(copied).unwrap(), b"photo");
    }
}
