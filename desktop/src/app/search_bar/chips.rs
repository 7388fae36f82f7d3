//! What a query asks for besides words, each on a chip that takes it away.

use eframe::egui::{Button, RichText, Ui};

use crate::app::words::say_with;
use crate::library::query::{Query, What};

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Chip {
    /// As it is shown.
    pub words: String,
    /// The query without it.
    pub without: String,
}

/// The chips of a query; none of one that cannot be read.
pub fn of(text: &str) -> Vec<Chip> {
    let Ok(query) = text.parse::<Query>() else { return Vec::new() };
    let mut chips = Vec::new();
    for (place, term) in query.terms.iter().enumerate() {
        if let What::Image(path) = &term.what {
            let mut rest = query.clone();
            rest.terms.remove(place);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            chips.push(Chip { words: say_with("chip-picture", &[("name", name.into())]), without: rest.to_string() });
        }
    }
    let parts = query.chips().into_iter();
    chips.extend(parts.map(|chip| Chip { words: chip.text, without: chip.without.to_string() }));
    chips
}

/// Draws them; answers the query without the one that was taken away.
pub fn ui(ui: &mut Ui, chips: &[Chip]) -> Option<String> {
    let mut taken = None;
    for chip in chips {
        let text = RichText::new(format!("{}  ×", chip.words)).size(12.5);
        let button = ui.add(Button::new(text).corner_radius(12));
        let button = button.accessible_name(say_with("chip-remove", &[("words", chip.words.as_str().into())]));
        if button.clicked() {
            taken = Some(chip.without.clone());
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_takes_its_part_away_and_nothing_else() {
        let chips = of("dog date:2024 rating:>=3");
        assert_eq!(chips.len(), 2);
        assert_eq!(chips[0].words, "date:2024");
        assert_eq!(of(&chips[0].without).len(), 1);
        assert!(chips[0].without.contains("dog"));
        assert!(of("date:nonsense").is_empty());
    }
}
