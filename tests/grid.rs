//! The grid over more photographs than anyone has, without a file behind them.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eframe::egui::{Event, Key, Modifiers, PointerButton, Pos2, pos2, vec2};
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

/// Where a photograph is, counted from one.
fn middle<State>(harness: &Harness<'_, State>, number: i64) -> Pos2 {
    harness.get_by_label(&words::say_with("photo-number", &[("number", number.into())])).rect().center()
}

fn drag<State>(harness: &mut Harness<'_, State>, from: Pos2, to: Pos2, modifiers: Modifiers) {
    let button = |pos, pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers };
    harness.event_modifiers(Event::PointerMoved(from), modifiers);
    harness.event_modifiers(button(from, true), modifiers);
    harness.step();
    for part in [0.5, 1.0] {
        harness.event_modifiers(Event::PointerMoved(from + (to - from) * part), modifiers);
        harness.step();
    }
    harness.event_modifiers(button(to, false), modifiers);
    harness.step();
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

#[test]
fn a_band_chooses_what_it_touches_and_with_ctrl_more() {
    let mut grid = Grid::default();
    grid.show(many(1000), Dividers::None, false);
    let draw = |ui: &mut eframe::egui::Ui, state: &mut (Grid, Textures)| {
        state.0.ui(ui, &mut state.1);
    };
    let mut harness =
        Harness::builder().with_size(vec2(1280.0, 800.0)).build_ui_state(draw, (grid, Textures::default()));
    let columns = (1..1000).find(|number| middle(&harness, number + 1).y > middle(&harness, 1).y).unwrap();
    let (first, last) = (middle(&harness, 1), middle(&harness, columns + 2));
    drag(&mut harness, first, last, Modifiers::NONE);
    let chosen = |harness: &Harness<'_, (Grid, Textures)>| harness.state().0.chosen();
    assert_eq!(chosen(&harness), [0, 1, columns, columns + 1]);
    let place = middle(&harness, 4);
    drag(&mut harness, place, place + vec2(3.0, 20.0), Modifiers::COMMAND);
    assert_eq!(chosen(&harness), [0, 1, 3, columns, columns + 1]);
    drag(&mut harness, place, place + vec2(3.0, 20.0), Modifiers::NONE);
    assert_eq!(chosen(&harness), [3]);
    // Beyond the lower edge the grid scrolls.
    let start = middle(&harness, 1);
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(Event::PointerMoved(start));
    harness.event(button(start, true));
    harness.step();
    harness.event(Event::PointerMoved(pos2(start.x, 850.0)));
    harness.run_steps(30);
    assert!(harness.state().0.scrolled() > 300.0, "{}", harness.state().0.scrolled());
    assert!(chosen(&harness).len() > 5);
}

#[test]
fn photographs_that_are_chosen_are_carried_and_copied_where_that_is_possible() {
    let mut grid = Grid::default();
    grid.show(many(20), Dividers::None, false);
    let draw = |ui: &mut eframe::egui::Ui, (grid, textures, asked): &mut (Grid, Textures, Vec<String>)| {
        asked.extend(grid.ui(ui, textures).map(|action| format!("{action:?}")));
    };
    let state = (grid, Textures::default(), Vec::new());
    let mut harness = Harness::builder().with_size(vec2(1280.0, 800.0)).build_ui_state(draw, state);
    let aside = vec2(8.0, 30.0);
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|number| middle(&harness, number));
    drag(&mut harness, first, second, Modifiers::NONE);
    harness.event(Event::Copy);
    harness.step();
    assert_eq!(harness.state().2, ["CopyPath"]);

    harness.state_mut().0.can_carry = true;
    drag(&mut harness, first, first + aside, Modifiers::NONE);
    assert_eq!(harness.state().2, ["CopyPath", "Carry"]);
    assert_eq!(harness.state().0.chosen(), [0, 1]);
    // What is not chosen is, and so is more of it with Ctrl.
    drag(&mut harness, first, first + aside, Modifiers::COMMAND);
    drag(&mut harness, third, third + aside, Modifiers::NONE);
    assert_eq!(harness.state().0.chosen(), [2]);
    // Where nothing can be carried, a band is drawn from everywhere.
    harness.state_mut().0.can_carry = false;
    drag(&mut harness, third, fourth, Modifiers::NONE);
    assert_eq!(harness.state().0.chosen(), [2, 3]);
    assert_eq!(harness.state().2.len(), 2);
}

#[test]
#[ignore = "prints times"]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn times_of_a_frame() {
    for count in [1_000, 1_000_000] {
        let mut grid = Grid::default();
        grid.show(many(count), Dividers::Days, false);
        let draw = |ui: &mut eframe::egui::Ui, state: &mut (Grid, Textures)| {
            state.0.ui(ui, &mut state.1);
            state.1.end_frame();
        };
        let mut harness =
            Harness::builder().with_size(vec2(1920.0, 1080.0)).build_ui_state(draw, (grid, Textures::default()));
        let mut times: Vec<Duration> = (0..200)
            .map(|_| {
                harness.key_press(Key::PageDown);
                let start = Instant::now();
                harness.step();
                let shapes = harness.output().shapes.clone();
                let triangles = harness.ctx.tessellate(shapes, 1.0);
                assert!(!triangles.is_empty());
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let milliseconds = |at: usize| times[at].as_secs_f64() * 1e3;
        let photographs = harness.state().0.laid_out;
        println!(
            "{count} photographs, {photographs} on screen: a frame is computed in {:.1} ms, the slowest of 200 in {:.1} ms",
            milliseconds(100),
            milliseconds(199)
        );
    }
}
