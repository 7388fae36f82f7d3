//! Threads that read thumbnails: those that are seen now, the newest wish first.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use eframe::egui::ColorImage;
use image::RgbImage;
use image::imageops::{FilterType, thumbnail};

use super::post::{Message, Post, shared};
use crate::library::Library;
use crate::library::photo::{Photo, PhotoId};

/// Threads that decode; the model needs the other cores.
const THREADS: usize = 2;

/// The thumbnails that are wanted, in place of all that were wanted before.
#[derive(Debug)]
pub struct Wanted {
    /// Whose, the most wanted first.
    pub photos: Vec<PhotoId>,
    /// How many pixels the longer side should have.
    pub side: u32,
}

/// A thumbnail.
pub struct Loaded {
    /// Whose.
    pub photo: PhotoId,
    /// What is known of the photograph.
    pub about: Option<Arc<Photo>>,
    /// How many pixels were wanted.
    pub side: u32,
    /// The picture, or why there is none.
    pub picture: Result<ColorImage, String>,
}

struct Wishes {
    news: Receiver<Wanted>,
    wanted: Wanted,
    /// What threads are at.
    busy: HashSet<PhotoId>,
}

/// Starts the threads; they end when the sender is dropped.
pub fn start(library: &Library, post: &Post) -> Sender<Wanted> {
    let (sender, news) = channel();
    let wanted = Wanted { photos: Vec::new(), side: 0 };
    let wishes = Arc::new(Mutex::new(Wishes { news, wanted, busy: HashSet::new() }));
    for _ in 0..THREADS {
        let (wishes, library, post) = (Arc::clone(&wishes), library.clone(), post.clone());
        // Where no thread can be had, placeholders stay.
        let _ = thread::Builder::new().name("thumbnails".to_owned()).spawn(move || {
            while let Some((photo, side)) = next(&wishes) {
                post.send(Message::Thumbnail(load(&library, photo, side)));
                lock(&wishes).busy.remove(&photo);
            }
        });
    }
    sender
}

/// The next thumbnail to read; `None` when the window is gone.
fn next(wishes: &Mutex<Wishes>) -> Option<(PhotoId, u32)> {
    // The threads wait for news in turn, whoever holds the lock first; the window never takes it.
    let mut wishes = lock(wishes);
    loop {
        loop {
            match wishes.news.try_recv() {
                Ok(news) => wishes.wanted = news,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        let Wishes { wanted, busy, .. } = &mut *wishes;
        let place = wanted.photos.iter().position(|photo| !busy.contains(photo));
        if let Some(photo) = place.map(|place| wanted.photos.remove(place)) {
            busy.insert(photo);
            return Some((photo, wishes.wanted.side));
        }
        let news = wishes.news.recv().ok()?;
        wishes.wanted = news;
    }
}

fn load(library: &Library, photo: PhotoId, side: u32) -> Loaded {
    let about = match library.catalog().photo(photo) {
        Ok(about) => about.map(Arc::new),
        Err(error) => return Loaded { photo, about: None, side, picture: Err(shared(&error)) },
    };
    let picture = match &about {
        Some(about) => library
            .thumbnails()
            .load(library.catalog(), about)
            .map(|picture| texels(&picture, side))
            .map_err(|error| shared(&error)),
        None => Err(crate::app::words::say("photo-gone")),
    };
    Loaded { photo, about, side, picture }
}

/// A picture as textures are, no larger than it is wanted.
pub fn texels(picture: &RgbImage, side: u32) -> ColorImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer <= side || side == 0 {
        return color_image(picture);
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1);
    let (width, height) = (scaled(width), scaled(height));
    #[expect(clippy::cast_possible_truncation, reason = "no longer than the side")]
    let (width, height) = (width as u32, height as u32);
    color_image(&match longer > 4 * side {
        true => thumbnail(picture, width, height),
        false => image::imageops::resize(picture, width, height, FilterType::Triangle),
    })
}

fn color_image(picture: &RgbImage) -> ColorImage {
    let (width, height) = picture.dimensions();
    ColorImage::from_rgb([width as usize, height as usize], picture.as_raw())
}

fn lock(wishes: &Mutex<Wishes>) -> std::sync::MutexGuard<'_, Wishes> {
    // Wishes are replaced whole: a panic elsewhere leaves them sound.
    wishes.lock().unwrap_or_else(PoisonError::into_inner)
}
