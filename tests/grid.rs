//! The grid over more photographs than anyone has, without a file behind them.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eframe::egui::{Key, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use medley_desktop::app::grid::{Dividers, Grid, Item};
use medley_desktop::app::textures::Textures;
use medley_desktop::app::words;

/// Photographs without files, one a minute.
fn many(count: usize) -> Vec<Item> {
    let part = |index: usize| u32::try_from(20_000_101 + index / 700).unwrap();
    let item = |index| Item {
        photo: i64::try_from(index).unwrap(),
        content: None,
        part: part(index),
        matched: None,
        is_settled: true,
    };
    (0..count).map(item).collect()
}

#[test]
fn of_a_million_photographs_only_those_on_screen_are_laid_out() {
    const MILLION: usize = 1_000_000;
    let mut grid = Grid::default();
    grid.show(many(MILLION), Dividers::Days, false);
    let draw = |ui: &mut eframe::egui::Ui, state: &mut (Grid, Textures)| {
        state.0.ui(ui, &mut state.1);
        state.1.end_frame();
    };
    let mut harness =
        Harness::builder().with_size(vec2(1280.0, 800.0)).build_ui_state(draw, (grid, Textures::default()));
    harness.get_by_label(&words::day(20_000_101));
    harness.key_press(Key::End);
    harness.run_steps(3);
    let (grid, _) = harness.state();
    assert_eq!(grid.selection.cursor(), Some(MILLION - 1));
    assert!(grid.scrolled() > 20_000_000.0, "{}", grid.scrolled());
    harness.get_by_label("Photograph 1,000,000");
    assert!((10..120).contains(&harness.state().0.laid_out), "{}", harness.state().0.laid_out);

    let start = Instant::now();
    const FRAMES: u32 = 60;
    for _ in 0..FRAMES {
        harness.key_press(Key::PageUp);
        harness.step();
        assert!(harness.state().0.laid_out < 120);
    }
    // Drawing is not timed here, only what a frame computes; generous, because a build may run beside it.
    let frame = start.elapsed() / FRAMES;
    assert!(frame < Duration::from_millis(100), "{frame:?}");
}

#[test]
fn the_place_stays_when_photographs_come_and_when_they_get_larger() {
    let mut grid = Grid::default();
    grid.show(many(10_000), Dividers::Days, false);
    let draw = |ui: &mut eframe::egui::Ui, state: &mut (Grid, Textures)| {
        state.0.ui(ui, &mut state.1);
    };
    let mut harness =
        Harness::builder().with_size(vec2(1280.0, 800.0)).build_ui_state(draw, (grid, Textures::default()));
    for _ in 0..40 {
        harness.key_press(Key::PageDown);
        harness.step();
    }
    let seen = |harness: &Harness<'_, (Grid, Textures)>, label: &str| harness.query_by_label(label).is_some();
    let current = harness.state().0.current().unwrap().photo + 1;
    let name = |number: i64| words::say_with("photo-number", &[("number", number.into())]);
    let label = name(current);
    assert!(seen(&harness, &label));
    let mut items = many(10_000);
    let new = Item { photo: -1, part: 19_990_101, ..items[0] };
    items.insert(0, new);
    harness.state_mut().0.show(items, Dividers::Days, true);
    harness.run_steps(2);
    assert!(seen(&harness, &name(current + 1)), "a new one above has moved nothing");
    harness.state_mut().0.side = 120.0;
    harness.run_steps(2);
    assert!(harness.state().0.scrolled() > 1000.0);
}
