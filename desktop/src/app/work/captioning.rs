//! Captions for many photographs: the drafts of a preview, the files that are there, and the task itself.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Result, anyhow};
use medley::CaptionOptions;

use super::opening::spawn;
use super::post::{Message, Post, shared};
use crate::app::bulk::{Draft, Plan};
use crate::app::notices::Notice;
use crate::app::tasks::{News, TaskId, Wishes};
use crate::app::words::{say, say_with};
use crate::engine::{Engine, Pixels, Reply, Request, Urgency};
use crate::library::export::{Export, Written};
use crate::library::photo::{CaptionSource, ContentId, Photo, PhotoId};
use crate::library::{Library, decode};

/// Photographs that are decoded ahead of the model.
const AHEAD: usize = 4;

/// Writes the drafts of a preview.
pub fn preview(library: Library, engine: Engine, id: u64, photos: Vec<PhotoId>, wishes: Wishes, post: Post) {
    spawn("preview", move || {
        for photo in photos {
            if wishes.is_cancelled() {
                return;
            }
            let draft = match library.catalog().photo(photo) {
                Ok(Some(Photo { caption: Some(caption), .. })) => Draft::There(caption),
                Ok(Some(about)) => match pixels(&engine, &about).and_then(|pixels| caption(&engine, pixels, &wishes)) {
                    Ok(Some(text)) => Draft::Written(text),
                    Ok(None) => return,
                    Err(error) => Draft::Failed(shared(&error)),
                },
                Ok(None) => Draft::Failed(say("photo-gone")),
                Err(error) => Draft::Failed(shared(&error)),
            };
            post.send(Message::Draft(id, photo, draft));
        }
    });
}

/// Counts the files that a plan would find there already.
pub fn check(library: Library, plan: Plan, post: Post) {
    spawn("check", move || {
        let count = export(&library, &plan).and_then(|export| {
            let Some(export) = export else { return Ok(0) };
            let photos = library.catalog().photos(&plan.photos)?;
            Ok(export.count_existing(photos.iter().map(|photo| photo.path.as_path())))
        });
        post.send(Message::Checked(plan, count.map_err(|error| shared(&error))));
    });
}

/// Captions and writes as planned.
pub fn run(library: Library, engine: Engine, plan: Plan, id: TaskId, wishes: Wishes, post: Post) {
    spawn("captioning", move || {
        let news = match captions(&library, &engine, &plan, id, &wishes, &post) {
            Ok(sentence) => News::Done(sentence),
            Err(error) => News::Failed(shared(&error)),
        };
        post.send(Message::Task(id, news));
        post.send(Message::Changed);
    });
}

/// What was done, to be taken back.
struct Done {
    captioned: Vec<ContentId>,
    written: Vec<Written>,
    left: usize,
    failed: usize,
}

fn captions(
    library: &Library,
    engine: &Engine,
    plan: &Plan,
    id: TaskId,
    wishes: &Wishes,
    post: &Post,
) -> Result<String> {
    let mut export = export(library, plan)?;
    let mut done = Done { captioned: Vec::new(), written: Vec::new(), left: 0, failed: 0 };
    let (total, mut count) = (plan.photos.len(), 0);
    let problem = |done: &mut Done, photo: &Photo, error: &anyhow::Error| {
        done.failed += 1;
        post.send(Message::Task(id, News::Problem(format!("{}: {}", photo.name(), shared(error)))));
    };
    post.send(Message::Task(id, News::Progress { done: 0, total }));
    for (photo, pixels) in ahead(library, engine, plan, wishes) {
        if wishes.go_on().is_break() {
            break;
        }
        match written(library, engine, plan, &photo, pixels, wishes) {
            Ok(Some((text, is_new))) => {
                if is_new {
                    done.captioned.push(photo.content);
                }
                match export.as_mut().map_or(Ok(true), |export| export.add(&photo.path, &[text])) {
                    Ok(true) => {}
                    Ok(false) => done.left += 1,
                    Err(error) => problem(&mut done, &photo, &error),
                }
            }
            Ok(None) => break,
            Err(error) => problem(&mut done, &photo, &error),
        }
        count += 1;
        post.send(Message::Task(id, News::Progress { done: count, total }));
    }
    if let Some(export) = export {
        done.written = export.finish()?;
    }
    let (files, left, failed) = (done.written.len(), done.left, done.failed);
    let values = [
        ("count", done.captioned.len().into()),
        ("files", files.into()),
        ("left", left.into()),
        ("failed", failed.into()),
    ];
    let sentence = say_with(if wishes.is_cancelled() { "bulk-cancelled" } else { "bulk-done" }, &values);
    if !done.captioned.is_empty() || files > 0 {
        let undo = Box::new(move |library: &Library, post: &Post| take_back(library, &done, post));
        post.send(Message::Notice(Notice::with_undo(sentence.clone(), undo)));
    }
    Ok(sentence)
}

/// The caption of a photograph, and whether the library did not have it.
fn written(
    library: &Library,
    engine: &Engine,
    plan: &Plan,
    photo: &Photo,
    pixels: Result<Option<Pixels>>,
    wishes: &Wishes,
) -> Result<Option<(String, bool)>> {
    if let (true, Some(caption)) = (plan.keeps, &photo.caption) {
        return Ok(Some((caption.clone(), false)));
    }
    let text = match (plan.drafts.get(&photo.id), pixels?) {
        (Some(draft), _) => Some(draft.clone()),
        (None, Some(pixels)) => caption(engine, pixels, wishes)?,
        (None, None) => None,
    };
    let Some(text) = text else { return Ok(None) };
    library.catalog().set_caption(photo.content, &text, CaptionSource::Model)?;
    Ok(Some((text, true)))
}

/// Photographs in their order, decoded a few ahead of the model where it is needed.
fn ahead(
    library: &Library,
    engine: &Engine,
    plan: &Plan,
    wishes: &Wishes,
) -> std::sync::mpsc::Receiver<(Photo, Result<Option<Pixels>>)> {
    let (sender, decoded) = sync_channel(AHEAD);
    let (library, engine, plan, wishes) = (library.clone(), engine.clone(), plan.clone(), wishes.clone());
    spawn("decoding", move || {
        for id in plan.photos.iter() {
            if wishes.is_cancelled() {
                return;
            }
            let Ok(Some(photo)) = library.catalog().photo(*id) else { continue };
            let is_there = plan.drafts.contains_key(id) || (plan.keeps && photo.caption.is_some());
            let pixels = if is_there { Ok(None) } else { pixels(&engine, &photo).map(Some) };
            if sender.send((photo, pixels)).is_err() {
                return;
            }
        }
    });
    decoded
}

fn pixels(engine: &Engine, photo: &Photo) -> Result<Pixels> {
    decode::pixels(&photo.path, photo.kind, &engine.about().preprocessor)
}

/// Asks the model; nothing where the task was cancelled.
fn caption(engine: &Engine, picture: Pixels, wishes: &Wishes) -> Result<Option<String>> {
    const WAIT: Duration = Duration::from_millis(200);
    let request = Request::Caption { picture, options: CaptionOptions::default() };
    let pending = engine.ask(Urgency::Task, request);
    loop {
        match pending.wait_for(WAIT)? {
            Some(Reply::Captions(captions)) => {
                let first = captions.into_iter().next();
                return first.map(|caption| Some(caption.text)).ok_or_else(|| anyhow!("the model wrote nothing"));
            }
            Some(_) => {}
            None if wishes.is_cancelled() => return Ok(None),
            None => {}
        }
    }
}

/// The files of a plan.
fn export(library: &Library, plan: &Plan) -> Result<Option<Export>> {
    let Some(format) = plan.format else { return Ok(None) };
    let roots: Vec<PathBuf> = library.catalog().roots()?;
    Ok(Some(match &plan.mirror {
        Some(folder) => Export::mirrored(format, plan.existing, folder, &roots),
        None => Export::beside(format, plan.existing),
    }))
}

fn take_back(library: &Library, done: &Done, post: &Post) {
    let mut failed = Vec::new();
    for content in &done.captioned {
        failed.extend(library.catalog().undo_caption(*content).err());
    }
    for written in &done.written {
        failed.extend(written.take_back().err());
    }
    post.send(Message::Notice(match failed.first() {
        None => Notice::told(say("bulk-undone")),
        Some(first) => {
            let reason = shared(first);
            Notice::failed(say_with("bulk-undone-partly", &[("count", failed.len().into()), ("reason", reason.into())]))
        }
    }));
    post.send(Message::Changed);
}
