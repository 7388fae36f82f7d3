//! Thumbnails on the graphics card: as many as fit a budget, those unseen for longest given up first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use eframe::egui::{Context, TextureHandle, TextureOptions, Vec2, vec2};

use super::work::thumbnails::{Loaded, Wanted};
use crate::library::photo::{Photo, PhotoId};

/// Bytes of thumbnails that are kept.
const BUDGET: usize = 384 << 20;

/// Sides that thumbnails are read at; the last is that of the files.
const SIDES: [u32; 3] = [160, 288, 512];

/// A thumbnail that can be drawn.
#[derive(Clone)]
pub struct Thumbnail {
    /// The texture.
    pub texture: TextureHandle,
    /// Its size in pixels.
    pub size: Vec2,
}

struct Kept {
    thumbnail: Result<Thumbnail, Arc<str>>,
    about: Option<Arc<Photo>>,
    side: u32,
    bytes: usize,
    /// The frame it was last seen in.
    seen: u64,
}

/// All thumbnails of the window.
pub struct Textures {
    loader: Option<Sender<Wanted>>,
    kept: HashMap<PhotoId, Kept>,
    bytes: usize,
    budget: usize,
    frame: u64,
    /// What this frame has missed, in the order it was drawn.
    missed: Vec<PhotoId>,
    /// What was last asked for.
    asked: Vec<PhotoId>,
    side: u32,
}

impl Default for Textures {
    fn default() -> Self {
        Self {
            loader: None,
            kept: HashMap::new(),
            bytes: 0,
            budget: BUDGET,
            frame: 0,
            missed: Vec::new(),
            asked: Vec::new(),
            side: SIDES[1],
        }
    }
}

impl Textures {
    /// Gives it threads that read thumbnails.
    pub fn connect(&mut self, loader: Sender<Wanted>) {
        self.loader = Some(loader);
    }

    /// Says how large thumbnails are drawn, in pixels of the screen.
    pub fn draw_at(&mut self, side: f32) {
        // A square shows the shorter side whole, so the longer one is a half more.
        let wanted = side * 1.3;
        #[expect(clippy::cast_precision_loss, reason = "hundreds")]
        let fitting = SIDES.into_iter().find(|side| *side as f32 >= wanted);
        self.side = fitting.unwrap_or(SIDES[SIDES.len() - 1]);
    }

    /// The thumbnail of a photograph, if it is there; if not, it will be read. One that is too small serves meanwhile.
    pub fn thumbnail(&mut self, photo: PhotoId) -> Option<Result<Thumbnail, Arc<str>>> {
        let kept = self.kept.get_mut(&photo);
        if kept.as_ref().is_none_or(|kept| kept.side < self.side) {
            self.missed.push(photo);
        }
        let kept = kept?;
        kept.seen = self.frame;
        Some(kept.thumbnail.clone())
    }

    /// What is known of a photograph whose thumbnail was read.
    pub fn about(&self, photo: PhotoId) -> Option<Arc<Photo>> {
        self.kept.get(&photo).and_then(|kept| kept.about.clone())
    }

    /// Keeps what a thread has read.
    pub fn receive(&mut self, context: &Context, loaded: Loaded) {
        let Loaded { photo, about, side, picture } = loaded;
        let mut bytes = 0;
        let thumbnail = match picture {
            Ok(picture) => {
                let [width, height] = picture.size;
                bytes = width * height * 4;
                #[expect(clippy::cast_precision_loss, reason = "hundreds")]
                let size = vec2(width as f32, height as f32);
                Ok(Thumbnail { texture: context.load_texture("thumbnail", picture, TextureOptions::LINEAR), size })
            }
            Err(reason) => Err(reason.into()),
        };
        // What cannot be read is not asked for again at another size.
        let side = if thumbnail.is_err() { u32::MAX } else { side };
        self.forget(photo);
        self.bytes += bytes;
        self.kept.insert(photo, Kept { thumbnail, about, side, bytes, seen: self.frame });
    }

    /// Gives up a thumbnail, so that it is read again.
    pub fn forget(&mut self, photo: PhotoId) {
        if let Some(kept) = self.kept.remove(&photo) {
            self.bytes -= kept.bytes;
        }
    }

    /// Gives up what could not be read: it may be readable now.
    pub fn forget_failed(&mut self) {
        self.kept.retain(|_, kept| kept.thumbnail.is_ok());
    }

    /// Ends a frame: asks for what it missed, and gives up what is over the budget.
    pub fn end_frame(&mut self) {
        let missed = std::mem::take(&mut self.missed);
        if missed != self.asked {
            if let Some(loader) = &self.loader {
                // Without its threads the placeholders stay.
                let _ = loader.send(Wanted { photos: missed.clone(), side: self.side });
            }
            self.asked = missed;
        }
        if self.bytes > self.budget {
            self.give_up();
        }
        self.frame += 1;
    }

    fn give_up(&mut self) {
        let mut by_age: Vec<(u64, PhotoId)> = self.kept.iter().map(|(photo, kept)| (kept.seen, *photo)).collect();
        by_age.sort_unstable();
        for (seen, photo) in by_age {
            // A tenth below, so that this is not done in every frame; never what is on screen.
            if self.bytes <= self.budget / 10 * 9 || seen >= self.frame {
                break;
            }
            self.forget(photo);
        }
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::ColorImage;

    use super::*;

    fn loaded(photo: PhotoId) -> Loaded {
        let picture = ColorImage::filled([100, 100], eframe::egui::Color32::GRAY);
        Loaded { photo, about: None, side: 160, picture: Ok(picture) }
    }

    #[test]
    fn what_was_unseen_for_longest_goes_first() {
        let context = Context::default();
        let mut textures = Textures { budget: 10 * 40_000, ..Textures::default() };
        for photo in 0..10 {
            textures.receive(&context, loaded(photo));
            textures.end_frame();
        }
        assert!(textures.thumbnail(0).is_some());
        textures.receive(&context, loaded(10));
        textures.end_frame();
        assert!(textures.bytes <= textures.budget);
        assert!(textures.thumbnail(0).is_some(), "was seen just now");
        assert!(textures.thumbnail(1).is_none());
        assert!(textures.thumbnail(10).is_some());
    }

    #[test]
    fn the_same_wishes_are_sent_once() {
        let (sender, wishes) = std::sync::mpsc::channel();
        let mut textures = Textures::default();
        textures.connect(sender);
        for _ in 0..3 {
            textures.thumbnail(7);
            textures.end_frame();
        }
        assert_eq!(wishes.try_iter().count(), 1);
    }
}
