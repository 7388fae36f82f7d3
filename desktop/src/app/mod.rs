//! The window: a photo library that is searched by words.
//!
//! A file a view: its state, and `ui`, which draws it and answers what someone wants done. `App` owns the library, the
//! model and the tasks; it turns wishes into work on other threads and reads their messages before every frame, so that
//! no frame waits for a disk, a lock or the model.

mod act;
mod action;
pub mod bulk;
pub mod carry;
pub mod details;
mod frame;
pub mod grid;
mod icons;
mod models;
pub mod notices;
mod problems;
mod receive;
mod search_bar;
mod settings;
pub mod source;
pub mod sources;
pub mod tasks;
pub mod textures;
mod theme;
mod viewer;
mod welcome;
pub mod words;
pub mod work;

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use anyhow::{Result, anyhow};
use eframe::egui::{Context, Id, ThemePreference, Ui, ViewportBuilder};
use eframe::{CreationContext, NativeOptions, Renderer};
use medley::DeviceChoice;

use crate::engine::ModelChoice;
use crate::library::Library;
use crate::library::watch::Watch;
use bulk::Bulk;
use carry::Carry;
use details::Details;
use grid::Grid;
use models::Models;
use notices::Notices;
use problems::Problems;
use search_bar::SearchBar;
use sources::Sources;
use tasks::{TaskId, Tasks, Wishes};
use textures::Textures;
use viewer::Viewer;
use welcome::Welcome;
use work::asking::Asking;
use work::clerk::Clerk;
use work::indexing::Reading;
use work::post::{Message, Post};
use work::search::Searcher;

/// What the window opens.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the library.
    pub library: PathBuf,
    /// The model.
    pub model: ModelChoice,
    /// Where it computes.
    pub device: DeviceChoice,
}

impl Options {
    /// What the environment says, as the commands understand it.
    ///
    /// # Errors
    /// A device that there is no such of, a user without a home.
    pub fn from_environment() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let library = match set("MEDLEY_LIBRARY") {
            Some(folder) => PathBuf::from(folder),
            None => Library::default_folder()?,
        };
        let model = ModelChoice { path: set("MEDLEY_MODEL").map(PathBuf::from), ..ModelChoice::default() };
        let device = match set("MEDLEY_DEVICE") {
            Some(device) => device.to_string_lossy().parse().map_err(|error| anyhow!("MEDLEY_DEVICE: {error}"))?,
            None => DeviceChoice::Auto,
        };
        Ok(Self { library, model, device })
    }
}

/// Opens the window; returns when it is closed.
///
/// # Errors
/// A machine without a screen, or without anything that can draw.
pub fn run() -> Result<()> {
    let options = Options::from_environment()?;
    let viewport = ViewportBuilder::default()
        .with_title(words::say("title"))
        .with_app_id("medley")
        .with_inner_size([1280.0, 820.0])
        .with_min_inner_size([760.0, 480.0])
        .with_drag_and_drop(true);
    let native = NativeOptions { viewport, renderer: Renderer::Wgpu, ..NativeOptions::default() };
    eframe::run_native("medley", native, Box::new(|context| Ok(Box::new(App::new(context, options))))).map_err(
        |error| {
            let hint = match error {
                eframe::Error::Wgpu(_) => "window-no-adapter",
                _ => "window-no-screen",
            };
            anyhow!(words::say_with(hint, &[("reason", plain(&error.to_string()).into())]))
        },
    )
}

/// What the window system said, without where in whose source it said so.
fn plain(said: &str) -> &str {
    let behind = said.rsplit_once(".rs:").and_then(|(_, behind)| behind.split_once(": "));
    behind.map_or(said, |(_, reason)| reason).trim_end_matches('.')
}

/// The window and all that it holds.
pub struct App {
    post: Post,
    inbox: Receiver<Message>,
    library: Option<Library>,
    models: Models,
    clerk: Option<Clerk>,
    searcher: Option<Searcher>,
    asking: Option<Asking>,
    watch: Option<Watch>,
    /// What had the keyboard when the last frame ended.
    focused: Option<Id>,
    /// Why there is no library.
    library_error: Option<String>,
    textures: Textures,
    grid: Grid,
    bar: SearchBar,
    sources: Sources,
    details: Details,
    /// Widths of the panels beside the photographs.
    left: f32,
    right: f32,
    viewer: Viewer,
    is_large: bool,
    bulk: Option<Bulk>,
    /// The window, where photographs can be carried out of it, and those that are being carried.
    window: Option<carry::Window>,
    carry: Option<Carry>,
    preview: Wishes,
    tasks: Tasks,
    notices: Notices,
    welcome: Welcome,
    problems: Problems,
    /// Whether it is known what the library holds.
    is_known: bool,
    is_counting: bool,
    theme: ThemePreference,
    question: u64,
    /// The question that is answered on screen.
    answered: u64,
    /// How long its first answer took.
    seconds: f64,
    plans: u64,
    indexing: Option<TaskId>,
    /// What is to be read next.
    next: Option<Reading>,
}

impl App {
    /// A window that begins to open its library and its model.
    pub fn new(context: &CreationContext<'_>, options: Options) -> Self {
        Self::in_context(&context.egui_ctx, options)
    }

    /// As [`new`](Self::new), in a context without a window.
    pub fn in_context(context: &Context, options: Options) -> Self {
        theme::apply(context);
        let (post, inbox) = Post::new(context);
        work::opening::library(options.library, post.clone());
        let ModelChoice { path, options: how } = options.model;
        let mut app = Self {
            post,
            inbox,
            library: None,
            models: Models::new(options.device, how),
            clerk: None,
            searcher: None,
            asking: None,
            watch: None,
            focused: None,
            library_error: None,
            textures: Textures::default(),
            grid: Grid::default(),
            bar: SearchBar::new(),
            sources: Sources::default(),
            details: Details::default(),
            left: 0.0,
            right: 0.0,
            viewer: Viewer::default(),
            is_large: false,
            bulk: None,
            window: None,
            carry: None,
            preview: Wishes::default(),
            tasks: Tasks::default(),
            notices: Notices::default(),
            welcome: Welcome::default(),
            problems: Problems::default(),
            is_known: false,
            is_counting: false,
            theme: ThemePreference::System,
            question: 0,
            answered: 0,
            seconds: 0.0,
            plans: 0,
            indexing: None,
            next: None,
        };
        // Otherwise the one that the window was left with, which the library knows.
        if path.is_some() {
            app.open_model(path);
        }
        app
    }

    /// The photographs that are shown.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// What goes on in the background.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        self.window = carry::window(frame);
        self.frame(ui);
    }

    fn on_exit(&mut self) {
        // What is on its way is kept by those who write it.
        self.tasks.cancel_all();
        self.preview.cancel();
        if let Some(library) = &self.library {
            // Where that cannot be written, the window opens as new.
            let _ = self.settings().save(library);
        }
    }
}
