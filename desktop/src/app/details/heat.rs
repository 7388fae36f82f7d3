//! What the model looks at for each word of a caption, as a warm glow over the picture.

use eframe::egui::{Color32, ColorImage, Context, TextureHandle, TextureOptions};
use medley::pipeline::Look;

use crate::engine::{Pending, Reply};

/// Maps of the words of one caption.
#[derive(Default)]
pub struct Heat {
    pending: Option<Pending>,
    is_asked: bool,
    text: String,
    words: Vec<String>,
    maps: Vec<TextureHandle>,
    over: Option<usize>,
}

impl Heat {
    /// Whether maps should be asked for now: once only.
    pub fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.is_asked, true)
    }

    /// Waits for the model.
    pub fn await_reply(&mut self, pending: Result<Pending, String>) {
        // A caption of which no maps can be had is only not explained.
        self.pending = pending.ok();
    }

    /// Reads what the model has replied.
    pub fn poll(&mut self, context: &Context) {
        let Some(reply) = self.pending.as_ref().and_then(Pending::poll) else { return };
        self.pending = None;
        if let Reply::Look(look) = reply {
            self.maps = look.maps.iter().map(|map| texture(context, &look, map)).collect();
            self.words = look.words;
            self.text = self.words.join(" ");
        }
    }

    /// The words of this caption as the maps know them.
    pub fn words(&self, text: &str) -> Option<Vec<String>> {
        let letters =
            |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase();
        (!self.words.is_empty() && letters(&self.text) == letters(text)).then(|| self.words.clone())
    }

    /// Which word the pointer is over.
    pub fn hover(&mut self, over: Option<usize>) {
        self.over = over;
    }

    /// Whether the map of this word is shown.
    pub fn is_over(&self, word: usize) -> bool {
        self.over == Some(word) && !self.maps.is_empty()
    }

    /// The map that is shown.
    pub fn shown(&self) -> Option<&TextureHandle> {
        self.maps.get(self.over?)
    }
}

fn texture(context: &Context, look: &Look, map: &[f32]) -> TextureHandle {
    let most = bright(map);
    let pixels = map.iter().map(|share| color(share / most)).collect();
    let picture = ColorImage::new([look.side, look.side], pixels);
    context.load_texture("heat", picture, TextureOptions::LINEAR)
}

/// What is as bright as it gets: encoders gather what belongs to no place in a few patches, which would outshine the rest.
fn bright(map: &[f32]) -> f32 {
    let mut shares = map.to_vec();
    shares.sort_by(f32::total_cmp);
    shares.get(shares.len() * 96 / 100).copied().unwrap_or_default().max(f32::MIN_POSITIVE)
}

/// Dark where nothing was looked at, clear and warm where most was.
fn color(share: f32) -> Color32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let part = |least: f32, most: f32| (least + (most - least) * share.clamp(0.0, 1.0)) as u8;
    Color32::from_rgba_unmultiplied(part(0.0, 255.0), part(0.0, 176.0), part(20.0, 40.0), part(150.0, 70.0))
}
