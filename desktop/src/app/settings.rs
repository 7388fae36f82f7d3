//! How someone has left the window, kept with the library.

use eframe::egui::{Context, ThemePreference};
use serde::{Deserialize, Serialize};

use super::App;
use super::grid;
use super::models::Chosen;
use crate::library::Library;

/// The setting's name in the catalogue.
const NAME: &str = "window";

/// What is the same when the window is opened again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `dark`, `light`, or as the system is.
    theme: String,
    side: f32,
    strictness: f32,
    has_details: bool,
    model: Chosen,
}

impl Default for Settings {
    fn default() -> Self {
        Self { theme: String::new(), side: 176.0, strictness: 0.27, has_details: false, model: Chosen::default() }
    }
}

impl Settings {
    /// Those that a library keeps; what cannot be read is as new.
    pub fn load(library: &Library) -> Self {
        let text = library.catalog().setting(NAME).ok().flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps them.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn save(&self, library: &Library) -> anyhow::Result<()> {
        library.catalog().set_setting(NAME, &serde_json::to_string(self)?)
    }
}

impl App {
    /// Leaves everything as it was left.
    pub(super) fn apply(&mut self, context: &Context, settings: &Settings) {
        self.theme = match settings.theme.as_str() {
            "dark" => ThemePreference::Dark,
            "light" => ThemePreference::Light,
            _ => ThemePreference::System,
        };
        context.set_theme(self.theme);
        self.grid.side = settings.side.clamp(*grid::SIDES.start(), *grid::SIDES.end());
        self.bar.strictness = settings.strictness.clamp(0.0, 1.0);
        self.details.is_open = settings.has_details;
        self.take_up(settings.model.clone());
    }

    /// How it is left now.
    pub(super) fn settings(&self) -> Settings {
        let theme = match self.theme {
            ThemePreference::Dark => "dark",
            ThemePreference::Light => "light",
            ThemePreference::System => "",
        };
        Settings {
            theme: theme.to_owned(),
            side: self.grid.side,
            strictness: self.bar.strictness,
            has_details: self.details.is_open,
            model: self.models.chosen().clone(),
        }
    }
}
