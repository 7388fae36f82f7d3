//! What can be typed next, offered under the field.

use eframe::egui::{Popup, PopupCloseBehavior, Response, RichText, Ui};

use crate::app::words::say;
use crate::library::query::{Completion, complete};

/// Offers that are shown at once.
const MOST: usize = 6;

/// What may follow what was typed.
pub fn offers(text: &str) -> Vec<Completion> {
    let mut offers = complete(text, text.len());
    // One letter begins too many words that are no keys.
    offers.retain(|offer| offer.examples.is_empty() || offer.replace.len() >= 2);
    offers.truncate(MOST);
    offers
}

/// The text with an offer in its place.
pub fn completed(text: &str, offer: &Completion) -> String {
    let space = if offer.with.ends_with(':') { "" } else { " " };
    format!("{}{}{space}", text.get(..offer.replace.start).unwrap_or(text), offer.with)
}

/// Draws offers under the field; answers the one that was taken.
pub fn ui(ui: &Ui, field: &Response, offers: &[Completion]) -> Option<Completion> {
    let mut taken = None;
    let is_open = !offers.is_empty() && ui.is_enabled();
    Popup::from_response(field).open(is_open).close_behavior(PopupCloseBehavior::IgnoreClicks).gap(4.0).show(|ui| {
        for (place, offer) in offers.iter().enumerate() {
            ui.horizontal(|ui| {
                if ui.button(RichText::new(&offer.with).monospace()).clicked() {
                    taken = Some(offer.clone());
                }
                ui.label(RichText::new(offer.examples).weak().small());
                if place == 0 {
                    ui.label(RichText::new(say("completion-tab")).weak().small());
                }
            });
        }
    });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_offered_from_two_letters_on() {
        let texts = |text| offers(text).into_iter().map(|offer| completed(text, &offer)).collect::<Vec<_>>();
        assert_eq!(texts("dog da"), ["dog date:"]);
        assert!(texts("dog d").is_empty());
        assert_eq!(texts("has:c"), ["has:caption "]);
    }
}
