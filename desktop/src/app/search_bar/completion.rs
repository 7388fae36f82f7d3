//! What can be typed next: the keys of the query language and what they may be followed by.

use eframe::egui::{Popup, PopupCloseBehavior, RichText, Response, Ui};

use crate::app::words::say;

/// The keys, and the values worth offering.
const KEYS: [(&str, &[&str]); 9] = [
    ("date", &[]),
    ("folder", &[]),
    ("name", &[]),
    ("camera", &[]),
    ("lens", &[]),
    ("rating", &[">=3", ">=4", "5"]),
    ("type", &["photo", "video"]),
    ("size", &[">2mp", ">12mp"]),
    ("has", &["caption", "place"]),
];

/// Something that may be typed next.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What stands in place of the last word.
    pub text: String,
    /// What it does.
    pub means: String,
}

/// What may follow what was typed.
pub fn offers(text: &str) -> Vec<Offer> {
    let word = last_word(text).trim_start_matches('-');
    if let Some((key, value)) = word.split_once(':') {
        let values = KEYS.iter().find(|(known, _)| *known == key).map_or(&[][..], |(_, values)| values);
        let fitting = values.iter().filter(|known| known.starts_with(value) && **known != value);
        return fitting.map(|known| Offer { text: format!("{key}:{known}"), means: String::new() }).collect();
    }
    if word.chars().count() < 2 {
        return Vec::new();
    }
    let word = word.to_lowercase();
    let fitting = KEYS.iter().filter(|(key, _)| key.starts_with(&word));
    fitting.map(|(key, _)| Offer { text: format!("{key}:"), means: say(&format!("key-{key}")) }).collect()
}

/// The text with an offer in place of its last word.
pub fn completed(text: &str, offer: &str) -> String {
    let word = last_word(text);
    let sign = if word.starts_with('-') { "-" } else { "" };
    let space = if offer.ends_with(':') { "" } else { " " };
    format!("{}{sign}{offer}{space}", &text[..text.len() - word.len()])
}

/// Draws offers under the field; answers the one that was taken.
pub fn ui(ui: &Ui, field: &Response, offers: &[Offer]) -> Option<String> {
    let mut taken = None;
    let is_open = !offers.is_empty() && ui.is_enabled();
    Popup::from_response(field).open(is_open).close_behavior(PopupCloseBehavior::IgnoreClicks).gap(4.0).show(|ui| {
        for (place, offer) in offers.iter().enumerate() {
            ui.horizontal(|ui| {
                if ui.button(RichText::new(&offer.text).monospace()).clicked() {
                    taken = Some(offer.text.clone());
                }
                ui.label(RichText::new(&offer.means).weak());
                if place == 0 {
                    ui.label(RichText::new(say("completion-tab")).weak().small());
                }
            });
        }
    });
    taken
}

fn last_word(text: &str) -> &str {
    text.rsplit([' ', '(']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        offers(text).into_iter().map(|offer| offer.text).collect()
    }

    #[test]
    fn a_key_is_offered_from_two_letters_on() {
        assert_eq!(texts("dog da"), ["date:"]);
        assert!(texts("dog d").is_empty());
        assert!(texts("dog day").is_empty());
        assert_eq!(texts("-ca"), ["camera:"]);
        assert_eq!(texts("has:c"), ["has:caption"]);
        assert!(texts("has:caption").is_empty());
    }

    #[test]
    fn an_offer_takes_the_place_of_the_last_word() {
        assert_eq!(completed("dog da", "date:"), "dog date:");
        assert_eq!(completed("dog (-ca", "camera:"), "dog (-camera:");
        assert_eq!(completed("has:c", "has:caption"), "has:caption ");
    }
}
