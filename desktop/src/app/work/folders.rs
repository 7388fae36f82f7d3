//! The dialog of the platform that asks for a folder, and the window that shows one.

use std::path::{Path, PathBuf};

use super::opening::spawn;
use super::post::{Message, Post};
use crate::app::notices::Notice;
use crate::app::words::{say, say_with};

/// Asks for a folder and gives it on.
///
/// The dialog is made on the window's thread, because some platforms want that, and waited for on another.
pub fn choose(title: &str, post: &Post, then: impl FnOnce(PathBuf, &Post) + Send + 'static) {
    wait(rfd::AsyncFileDialog::new().set_title(title).pick_folder(), post, then);
}

/// Asks for the file of a model and gives it on.
pub fn choose_model(title: &str, post: &Post, then: impl FnOnce(PathBuf, &Post) + Send + 'static) {
    let dialog = rfd::AsyncFileDialog::new().set_title(title);
    wait(dialog.add_filter(say("model-files"), &["safetensors", "pth", "bin"]).pick_file(), post, then);
}

fn wait(
    dialog: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static,
    post: &Post,
    then: impl FnOnce(PathBuf, &Post) + Send + 'static,
) {
    let post = post.clone();
    spawn("folder", move || {
        if let Some(chosen) = pollster::block_on(dialog) {
            then(chosen.path().to_owned(), &post);
        }
    });
}

/// Shows a file in its folder; where no file manager can point at one, the folder alone.
pub fn reveal(path: &Path, post: &Post) {
    let (path, post) = (path.to_owned(), post.clone());
    spawn("reveal", move || {
        let folder = path.parent().unwrap_or(&path);
        if let Err(error) = opener::reveal(&path).or_else(|_| opener::open(folder)) {
            let values = [("folder", folder.display().to_string().into()), ("reason", error.to_string().into())];
            post.send(Message::Notice(Notice::failed(say_with("reveal-failed", &values))));
        }
    });
}

/// What is wrong with a folder that someone named, if anything is.
pub fn wrong(folder: &Path) -> Option<String> {
    (!folder.is_dir())
        .then(|| match folder.exists() {
            true => say_with("folder-is-file", &[("folder", folder.display().to_string().into())]),
            false => say_with("folder-missing", &[("folder", folder.display().to_string().into())]),
        })
        .filter(|_| !folder.as_os_str().is_empty())
        .or_else(|| folder.as_os_str().is_empty().then(|| say("folder-none")))
}
