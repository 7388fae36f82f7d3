//! Which model is asked, and which were before.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui::{RichText, Ui};
use medley::{DeviceChoice, LoadOptions};
use serde::{Deserialize, Serialize};

use super::App;
use super::action::Action;
use super::notices::Notice;
use super::tasks::Control;
use super::words::{say, say_with};
use super::work::opening;
use crate::engine::{Engine, ModelChoice};

/// Models that are remembered.
const MOST_RECENT: usize = 5;

/// The model that is asked, if one is open; clones are the same place.
#[derive(Clone, Default)]
pub struct Current(Arc<Mutex<Option<Engine>>>);

impl Current {
    /// A handle on it, which keeps it open.
    pub fn get(&self) -> Option<Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, engine: Engine) {
        give_up(self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(engine));
    }
}

/// Lets a model go. The last handle waits for its thread, which the window must not.
fn give_up(engine: Option<Engine>) {
    opening::spawn("model", move || drop(engine));
}

/// What is kept with the library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    /// The one that was chosen; none for the built-in one.
    path: Option<PathBuf>,
    /// Those that were chosen before, the last first.
    recent: Vec<PathBuf>,
}

/// The models of the window.
#[derive(Default)]
pub struct Models {
    /// The one that is asked.
    pub current: Current,
    /// Why none is.
    pub error: Option<String>,
    device: DeviceChoice,
    options: LoadOptions,
    chosen: Chosen,
    /// The one that is asked, or would be.
    path: Option<PathBuf>,
    /// The one that is being opened, and how much of it is read.
    opening: Option<(Option<PathBuf>, f32)>,
    /// Counts openings: of several the last counts.
    number: u64,
}

impl Models {
    /// Those of a window on this device.
    pub fn new(device: DeviceChoice, options: LoadOptions) -> Self {
        Self { device, options, ..Self::default() }
    }

    /// How much of the one that is being opened is read.
    pub fn loading(&self) -> Option<f32> {
        self.opening.as_ref().map(|(_, share)| *share)
    }

    /// What is kept with the library.
    pub fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// The one that is asked in words, or why there is none.
    pub fn words(&self) -> String {
        match (self.current.get(), &self.error) {
            (Some(engine), _) => engine.about().name.clone(),
            (None, Some(error)) => error.clone(),
            (None, None) => say("model-loading-hint"),
        }
    }

    /// Draws what may be chosen.
    pub fn menu(&self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let path = self.opening.as_ref().map_or(&self.path, |(path, _)| path);
        let mut entry = |ui: &mut Ui, is_chosen: bool, name: String, does: Action| {
            if ui.selectable_label(is_chosen, name).clicked() {
                action = Some(does);
                ui.close();
            }
        };
        ui.label(RichText::new(say("model")).small().weak());
        entry(ui, path.is_none(), say("model-built-in"), Action::UseModel(None));
        let recent = &self.chosen.recent;
        // The environment may name one that was never chosen.
        for known in path.iter().filter(|path| !recent.contains(path)).chain(recent) {
            entry(ui, path.as_ref() == Some(known), short(known), Action::UseModel(Some(known.clone())));
        }
        entry(ui, false, say("model-choose-file"), Action::ChooseModel { is_folder: false });
        entry(ui, false, say("model-choose-folder"), Action::ChooseModel { is_folder: true });
        action
    }
}

/// The end of a path, which tells one model from another: `base/model.safetensors`, `blip-vqa-base`.
fn short(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match path.parent().and_then(Path::file_name) {
        Some(folder) if path.extension().is_some() => format!("{}/{name}", folder.to_string_lossy()),
        _ => name,
    }
}

impl App {
    /// Opens the model that was left, unless the environment names one or it was opened before.
    pub(super) fn take_up(&mut self, chosen: Chosen) {
        self.models.chosen = chosen;
        if self.models.number == 0 {
            self.open_model(self.models.chosen.path.clone());
        }
    }

    /// Begins to open a model; the one that is asked goes on until it is there.
    pub(super) fn open_model(&mut self, path: Option<PathBuf>) {
        let models = &mut self.models;
        models.number += 1;
        models.opening = Some((path.clone(), 0.0));
        let choice = ModelChoice { path, options: models.options.clone() };
        opening::engine(choice, models.device, models.number, self.post.clone());
    }

    /// Someone has chosen a model.
    pub(super) fn use_model(&mut self, path: Option<PathBuf>) {
        let models = &mut self.models;
        let is_open = models.opening.is_none() && models.error.is_none() && models.path == path;
        let is_coming = models.opening.as_ref().is_some_and(|(coming, _)| *coming == path);
        if is_open {
            self.keep_model(path);
        } else if !is_coming {
            self.open_model(path);
        }
    }

    /// So much of a model is read.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(super) fn loading(&mut self, number: u64, done: u64, total: u64) {
        if let Some((_, share)) = self.models.opening.as_mut().filter(|_| number == self.models.number) {
            *share = done as f32 / total.max(1) as f32;
        }
    }

    /// A model is open, or why it is not.
    pub(super) fn opened(&mut self, number: u64, opened: Result<Engine, String>) {
        if number != self.models.number {
            return give_up(opened.ok());
        }
        let Some((path, _)) = self.models.opening.take() else { return };
        match opened {
            Ok(engine) => {
                let is_another = self.models.current.get().is_some();
                self.models.error = None;
                self.models.path.clone_from(&path);
                if is_another {
                    self.keep_model(path);
                }
                if let Some(task) = self.indexing.filter(|_| is_another) {
                    // What it reads it reads for the model that was.
                    self.tasks.control(task, Control::Cancel);
                }
                self.open_engine(&engine);
                if is_another && self.details.abilities.can_match {
                    let name = [("name", engine.about().name.as_str().into())];
                    self.notices.add(Notice::told(say_with("model-changed", &name)));
                }
                self.models.current.set(engine);
                self.model_is_there();
            }
            Err(reason) => {
                self.notices.add(Notice::failed(say_with("model-failed", &[("reason", reason.as_str().into())])));
                if self.models.current.get().is_some() {
                    return;
                }
                self.models.error = Some(reason);
                if path.is_some() && path == self.models.chosen.path {
                    // The one that was left is not there any more: better a small one than none.
                    self.open_model(None);
                }
            }
        }
    }

    /// Remembers a choice: at once, so that a window that is killed comes back with it.
    fn keep_model(&mut self, path: Option<PathBuf>) {
        let chosen = &mut self.models.chosen;
        if let Some(path) = &path {
            chosen.recent.retain(|known| known != path);
            chosen.recent.insert(0, path.clone());
            chosen.recent.truncate(MOST_RECENT);
        }
        chosen.path = path;
        let settings = self.settings();
        self.clerk_does(move |library| settings.save(library));
    }
}
