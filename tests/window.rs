//! The window by its labels, as a screen reader finds them: a real library of a few photographs, the built-in model.

#![allow(clippy::unwrap_used)]

#[path = "window/models.rs"]
mod models;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use medley::DeviceChoice;
use medley_desktop::app::{App, Options, words};
use medley_desktop::engine::ModelChoice;
use medley_desktop::library::Library;
use tempfile::TempDir;

/// A window, its library and its photographs.
struct Window {
    harness: Harness<'static, Option<App>>,
    folder: TempDir,
}

impl Window {
    /// A window that was never opened before.
    fn new() -> Self {
        Self::prepared(|_| ())
    }

    /// The same, whose library lies in a folder where something was done before.
    fn prepared(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
        let photos = folder.path().join("photos");
        fs::create_dir(&photos).unwrap();
        for name in ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"] {
            fs::copy(assets.join(name), photos.join(name)).unwrap();
        }
        prepare(folder.path());
        let options = Options {
            library: folder.path().join("library"),
            model: ModelChoice::default(),
            device: DeviceChoice::Cpu,
        };
        let draw = move |ui: &mut eframe::egui::Ui, app: &mut Option<App>| {
            app.get_or_insert_with(|| App::in_context(ui.ctx(), options.clone())).frame(ui);
        };
        let harness = Harness::builder().with_size(vec2(1280.0, 820.0)).build_ui_state(draw, None);
        Self { harness, folder }
    }

    /// A window with a library that was read.
    fn read() -> Self {
        let mut window = Self::new();
        window.add_photos();
        window.until("three photographs", |window| window.app().grid().items().len() == 3);
        window.until("reading to end", |window| !window.app().tasks().is_busy());
        window.until("their names", |window| window.names().len() == 3);
        window
    }

    fn app(&self) -> &App {
        self.harness.state().as_ref().unwrap()
    }

    fn photos(&self) -> PathBuf {
        self.folder.path().join("photos")
    }

    fn add_photos(&mut self) {
        self.wait_for("Path of the folder");
        self.harness.get_by_label("Path of the folder").focus();
        self.step();
        let path = self.photos().display().to_string();
        self.harness.get_by_label("Path of the folder").type_text(&path);
        self.step();
        self.press(Key::Enter);
    }

    fn step(&mut self) {
        self.harness.step();
    }

    /// Draws frames until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < Duration::from_secs(240), "waited in vain for {what}");
            self.step();
            std::thread::sleep(Duration::from_millis(10));
        }
        self.step();
        self.harness.check_accessibility();
    }

    fn wait_for(&mut self, label: &str) {
        self.until(label, |window| window.has(label));
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_all_by_label_contains(label).next().is_some()
    }

    fn click(&mut self, label: &str) {
        self.wait_for(label);
        self.harness.get_all_by_label(label).next().unwrap().click();
        self.step();
        self.step();
    }

    fn press(&mut self, key: Key) {
        self.press_with(Modifiers::NONE, key);
    }

    fn press_with(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.step();
        self.step();
    }

    fn type_text(&mut self, text: &str) {
        self.harness.event(Event::Text(text.to_owned()));
        self.step();
    }

    fn search(&mut self, text: &str) {
        self.press_with(Modifiers::COMMAND, Key::F);
        self.press_with(Modifiers::COMMAND, Key::A);
        self.type_text(text);
    }

    fn names(&self) -> Vec<String> {
        let photographs = self.harness.query_all_by_label_contains(".jpg");
        let photographs = photographs.filter(|node| node.accesskit_node().role() == Role::ListBoxOption);
        photographs.filter_map(|node| node.accesskit_node().label()).collect()
    }

    fn is_chosen(&self, name: &str) -> bool {
        let photographs = self.harness.query_all_by_label(name);
        let mut photographs = photographs.filter(|node| node.accesskit_node().role() == Role::ListBoxOption);
        photographs.next().is_some_and(|node| node.accesskit_node().is_selected() == Some(true))
    }
}

#[test]
fn the_first_start_asks_for_a_folder_and_shows_what_is_in_it() {
    let mut window = Window::new();
    window.wait_for("Which folder holds your photos?");
    window.harness.get_by_label("Choose a folder…");
    window.add_photos();
    window.until("three photographs", |window| window.names().len() == 3);
    window.until("the count", |window| window.has("3 photographs"));
    assert!(window.has("photos"), "the folder stands at the left");
}

#[test]
fn a_folder_that_is_none_is_said_in_a_sentence() {
    let mut window = Window::new();
    window.wait_for("Path of the folder");
    window.harness.get_by_label("Path of the folder").focus();
    window.step();
    window.type_text("/no/such/folder");
    window.press(Key::Enter);
    window.wait_for("There is no folder /no/such/folder.");
}

#[test]
fn a_search_shows_the_best_match_first_and_what_is_wrong_with_a_query() {
    let mut window = Window::read();
    window.search("a cat");
    window.until("the cat first", |window| window.names().first().is_some_and(|name| name == "chelsea.jpg"));
    window.until("the search to settle", |window| window.has(" ms"));
    window.search("rating:many");
    window.wait_for("rating");
    window.until("a sentence about it", |window| window.has("at character"));
    window.search("name:coffee");
    window.until("the one of that name", |window| window.names() == ["coffee.jpg"]);
    window.click("Remove name:coffee");
    window.until("all again", |window| window.names().len() == 3);
}

#[test]
fn keys_are_completed() {
    let mut window = Window::read();
    window.search("na");
    window.wait_for("name:");
    window.press(Key::Tab);
    window.type_text("astro");
    window.until("the one of that name", |window| window.names() == ["astronaut.jpg"]);
}

#[test]
fn arrows_move_shift_chooses_a_range_and_escape_lets_go() {
    let mut window = Window::read();
    window.press(Key::ArrowDown);
    let names = window.names();
    window.until("the first", |window| window.is_chosen(&names[0]));
    window.press(Key::ArrowRight);
    assert!(window.is_chosen(&names[1]) && !window.is_chosen(&names[0]));
    window.press_with(Modifiers::SHIFT, Key::ArrowRight);
    assert!(window.is_chosen(&names[1]) && window.is_chosen(&names[2]));
    window.press(Key::Home);
    assert!(window.is_chosen(&names[0]) && !window.is_chosen(&names[2]));
    window.press_with(Modifiers::COMMAND, Key::A);
    assert!(names.iter().all(|name| window.is_chosen(name)));
    window.press(Key::Escape);
    assert!(!names.iter().any(|name| window.is_chosen(name)));
}

#[test]
fn escape_comes_back_to_exactly_the_same_place() {
    let mut window = Window::read();
    window.press(Key::ArrowDown);
    window.press(Key::End);
    let (cursor, scrolled) = (window.app().grid().selection.cursor(), window.app().grid().scrolled());
    window.press(Key::Space);
    window.wait_for("photograph 3 of 3");
    window.press(Key::Escape);
    window.until("the grid", |window| window.names().len() == 3);
    assert_eq!(window.app().grid().selection.cursor(), cursor);
    assert!((window.app().grid().scrolled() - scrolled).abs() < f64::EPSILON);
    assert_eq!(window.app().grid().selection.len(), 1);
    window.press(Key::Space);
    window.press(Key::ArrowLeft);
    window.wait_for("photograph 2 of 3");
}

#[test]
fn a_caption_is_written_edited_and_taken_back() {
    let mut window = Window::read();
    window.search("name:chelsea");
    window.until("the cat", |window| window.names() == ["chelsea.jpg"]);
    window.press(Key::ArrowDown);
    window.press(Key::I);
    window.wait_for("No caption yet.");
    window.click("Write a caption");
    window.wait_for("written by the model");
    window.click("Edit");
    window.wait_for("Caption text");
    window.press_with(Modifiers::COMMAND, Key::A);
    window.type_text("my cat Chelsea");
    window.click("Keep");
    window.until("my caption", |window| window.has("Chelsea") && !window.has("written by the model"));
    window.click("Undo");
    window.wait_for("written by the model");
    window.click("Undo");
    window.wait_for("No caption yet.");
}

#[test]
fn a_text_is_matched_with_a_photograph() {
    let mut window = Window::read();
    window.search("name:chelsea");
    window.until("the cat", |window| window.names() == ["chelsea.jpg"]);
    window.press(Key::ArrowDown);
    window.press(Key::I);
    window.wait_for("Does a text describe it?");
    let field = |window: &Window| {
        let fields = window.harness.query_all_by_label("Does a text describe it?");
        fields.filter(|node| node.accesskit_node().role() == Role::TextInput).count()
    };
    assert_eq!(field(&window), 1);
    let role_and_label = |window: &Window| {
        window.harness.get_by_role_and_label(Role::TextInput, "Does a text describe it?").focus();
    };
    role_and_label(&window);
    window.step();
    window.type_text("a cat");
    window.press(Key::Enter);
    window.until("how well", |window| window.has("sure") || window.has("Rather not"));
}

#[test]
fn many_captions_are_shown_before_they_are_written_and_are_taken_back() {
    let mut window = Window::read();
    fs::write(window.photos().join("coffee.txt"), "mine\n").unwrap();
    window.press(Key::ArrowDown);
    window.press_with(Modifiers::COMMAND, Key::A);
    window.press(Key::C);
    window.wait_for("Caption 3 photographs");
    assert!(!window.photos().join("chelsea.txt").exists(), "nothing is written before it is wanted");
    window.click("A .txt for each, one caption a line");
    window.wait_for("One of these photographs has such a file already:");
    window.click("Caption 3");
    window.until("the captions", |window| window.has("3 captions written"));
    assert!(fs::read_to_string(window.photos().join("chelsea.txt")).unwrap().ends_with('\n'));
    assert_eq!(fs::read_to_string(window.photos().join("coffee.txt")).unwrap(), "mine\n");
    window.click("Undo");
    window.wait_for("The captions are taken back.");
    assert!(!window.photos().join("chelsea.txt").exists());
    assert_eq!(fs::read_to_string(window.photos().join("coffee.txt")).unwrap(), "mine\n");
    let catalog = Library::open(&window.folder.path().join("library")).unwrap();
    assert_eq!(catalog.catalog().counts().unwrap().captioned, 0);
}

#[test]
fn a_search_is_kept_as_an_album() {
    let mut window = Window::read();
    window.search("name:coffee");
    window.until("the one of that name", |window| window.names() == ["coffee.jpg"]);
    window.click("Keep this search…");
    window.harness.get_by_role_and_label(Role::TextInput, "Name of the album").focus();
    window.step();
    window.type_text("Breakfast");
    window.press(Key::Enter);
    window.wait_for("Breakfast");
    window.search("");
    window.press_with(Modifiers::NONE, Key::Backspace);
    window.until("all", |window| window.names().len() == 3);
    window.click("Breakfast");
    window.until("the album", |window| window.names() == ["coffee.jpg"]);
}

#[test]
fn files_that_cannot_be_read_are_named_with_their_reason() {
    let mut window = Window::new();
    fs::write(window.photos().join("broken.jpg"), "no picture").unwrap();
    window.add_photos();
    window.wait_for("Problems");
    window.click("Problems");
    window.wait_for("One file could not be read");
    window.wait_for("broken.jpg");
}

#[test]
fn a_library_that_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("library");
    fs::write(&file, "a file").unwrap();
    let options = Options { library: file, model: ModelChoice::default(), device: DeviceChoice::Cpu };
    let draw = move |ui: &mut eframe::egui::Ui, app: &mut Option<App>| {
        app.get_or_insert_with(|| App::in_context(ui.ctx(), options.clone())).frame(ui);
    };
    let harness = Harness::builder().with_size(vec2(1000.0, 700.0)).build_ui_state(draw, None);
    let mut window = Window { harness, folder };
    window.wait_for("The library could not be opened");
    window.wait_for("no folder");
}

#[test]
fn both_themes_and_a_small_window_show_everything() {
    for theme in [eframe::egui::ThemePreference::Dark, eframe::egui::ThemePreference::Light] {
        let mut window = Window::read();
        window.harness.ctx.set_theme(theme);
        window.harness.set_size(vec2(760.0, 480.0));
        window.until("the photographs", |window| window.names().len() == 3);
        window.harness.get_by_label("Search");
        window.harness.get_by_label("Strictness");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_screen_the_command_says_so_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_medley"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(name);
    }
    let output = command.env("MEDLEY_LIBRARY", folder.path().join("library")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("medley: no window could be opened") && said.contains("medley --help"), "{said}");
    assert!(!said.contains(".rs"), "{said}");
}

#[test]
fn every_sentence_that_is_shown_stands_in_the_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for start in ["say(\"", "say_with(\""] {
                for part in text.split(start).skip(1) {
                    let name = part.split('"').next().unwrap();
                    assert!(words::is_known(name), "{}: there are no words for {name}", path.display());
                }
            }
        }
    }
}
