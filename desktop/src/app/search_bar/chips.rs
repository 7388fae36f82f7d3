//! What a query asks for besides words, each on a chip that takes it away.

use eframe::egui::{Button, RichText, Ui};

use crate::app::words::say_with;
use crate::library::query::{Filter, Query, What};

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Chip {
    /// As it stands in the query.
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
    let filters: &[Filter] = match &query.filter {
        Filter::All => &[],
        Filter::And(filters) => filters,
        single => std::slice::from_ref(single),
    };
    for (place, filter) in filters.iter().enumerate() {
        let mut rest: Vec<Filter> = filters.to_vec();
        rest.remove(place);
        let filter_of_rest = match rest.len() {
            0 => Filter::All,
            1 => rest.remove(0),
            _ => Filter::And(rest),
        };
        let rest = Query { terms: query.terms.clone(), filter: filter_of_rest };
        let alone = Query { terms: Vec::new(), filter: filter.clone() };
        chips.push(Chip { words: alone.to_string(), without: rest.to_string() });
    }
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
