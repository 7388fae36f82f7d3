//! Photographs to the trash of the system: never deleted, and back again where the system can do that.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::post::{Message, Post, shared};
use crate::app::notices::Notice;
use crate::app::words::{say, say_with};
use crate::library::Library;
use crate::library::photo::PhotoId;
use crate::library::trash::to_trash;

/// Moves photographs to the trash; they are marked as missing, and known again when they come back.
pub fn run(library: &Library, photos: &[PhotoId], post: &Post) {
    let (mut gone, mut failed): (Vec<PathBuf>, _) = (Vec::new(), None);
    for photo in photos {
        let moved = library.catalog().photo(*photo).and_then(|about| match about {
            Some(about) => to_trash(library, &[*photo]).map(|_| gone.push(about.path)),
            None => Ok(()),
        });
        if let Err(error) = moved {
            failed.get_or_insert_with(|| shared(&error));
        }
    }
    if !gone.is_empty() {
        let text = say_with("trash-done", &[("count", gone.len().into())]);
        let undo = restore::CAN.then(|| {
            Box::new(move |_: &Library, post: &Post| match restore::restore(&gone) {
                Ok(()) => {
                    post.send(Message::Notice(Notice::told(say("trash-undone"))));
                    // Found again by its content, so nothing is computed anew.
                    post.send(Message::Rescan);
                }
                Err(error) => post.send(Message::Notice(Notice::failed(shared(&error)))),
            }) as super::clerk::Job
        });
        post.send(Message::Notice(Notice { undo, ..Notice::told(text) }));
    }
    if let Some(reason) = failed {
        post.send(Message::Notice(Notice::failed(reason)));
    }
    post.send(Message::Changed);
}

cfg_select! {
    any(target_os = "windows", all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android")))) => {
        mod restore {
            use super::{Context, PathBuf, Result};

            pub const CAN: bool = true;

            /// Puts files back where they were.
            pub fn restore(paths: &[PathBuf]) -> Result<()> {
                let mut items = trash::os_limited::list().context("could not read the trash")?;
                // Of several of one name the last is meant.
                items.sort_by_key(|item| std::cmp::Reverse(item.time_deleted));
                let mut wanted = Vec::new();
                for path in paths {
                    if let Some(place) = items.iter().position(|item| item.original_path() == *path) {
                        wanted.push(items.swap_remove(place));
                    }
                }
                trash::os_limited::restore_all(wanted).context("could not take everything from the trash")
            }
        }
    }
    _ => {
        mod restore {
            use super::{PathBuf, Result};

            /// Here only a person can take something from the trash.
            pub const CAN: bool = false;

            pub fn restore(_: &[PathBuf]) -> Result<()> {
                Ok(())
            }
        }
    }
}
