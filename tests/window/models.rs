//! Another model for the window, and back.

use std::process::Command;

use serde_json::{Value, json};

use super::*;

/// A library whose window was asked for these models before.
fn asked_before(library: &Path, models: &[&Path]) {
    let library = Library::open(library).unwrap();
    library.catalog().set_setting("window", &json!({"model": {"recent": models}}).to_string()).unwrap();
}

/// The model that a window that is opened again begins with.
fn kept(window: &Window) -> Value {
    let library = Library::open(&window.folder.path().join("library")).unwrap();
    let settings = library.catalog().setting("window").unwrap().unwrap();
    serde_json::from_str::<Value>(&settings).unwrap()["model"]["path"].clone()
}

#[test]
fn another_model_is_chosen_reads_the_photographs_and_is_kept() {
    let mut window = Window::prepared(|folder| {
        let mine = folder.join("mine").join("best.safetensors");
        fs::create_dir(folder.join("mine")).unwrap();
        let mut convert = Command::new(env!("CARGO_BIN_EXE_medley"));
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/medley-tiny.safetensors");
        assert!(convert.arg("convert").args([&model, &mine]).args(["--dtype", "f32"]).status().unwrap().success());
        asked_before(&folder.join("library"), &[&mine, &folder.join("gone/best.safetensors")]);
    });
    window.add_photos();
    window.until("three photographs", |window| window.app().grid().items().len() == 3);
    window.until("reading to end", |window| !window.app().tasks().is_busy());

    window.click("Menu");
    window.click("mine/best.safetensors");
    window.wait_for("is asked from here on");
    window.until("reading again", |window| !window.app().tasks().is_busy());
    window.search("a cat");
    window.until("the cat first", |window| window.names().first().is_some_and(|name| name == "chelsea.jpg"));
    window.until("the search to settle", |window| window.has(" ms"));
    let mine = window.folder.path().join("mine/best.safetensors");
    window.until("the choice to be kept", |window| kept(window) == json!(mine));
    let columns = fs::read_dir(window.folder.path().join("library/vectors")).unwrap().count();
    assert_eq!(columns, 2, "vectors of both models are kept");

    // One that is not there changes nothing but what is said.
    window.click("Menu");
    window.click("gone/best.safetensors");
    window.wait_for("The model could not be loaded");
    assert_eq!(kept(&window), json!(mine));
    window.click("Menu");
    window.click("Built-in");
    window.until("the choice to be kept", |window| kept(window) == Value::Null);
}

#[test]
fn a_window_whose_model_is_gone_opens_with_the_built_in_one() {
    let mut window = Window::prepared(|folder| {
        let library = Library::open(&folder.join("library")).unwrap();
        let model = json!({"model": {"path": folder.join("gone.safetensors")}});
        library.catalog().set_setting("window", &model.to_string()).unwrap();
    });
    window.add_photos();
    window.wait_for("The model could not be loaded");
    window.until("three photographs", |window| window.app().grid().items().len() == 3);
    window.until("reading to end", |window| !window.app().tasks().is_busy());
}
