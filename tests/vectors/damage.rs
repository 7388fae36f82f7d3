//! Files that are not what was written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use medley_desktop::library::photo::ContentId;
use medley_desktop::library::store::VectorStore;
use medley_desktop::library::vectors::FlatStore;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Operation, Plain, plain, story};

/// The story without compactions: everything stands in one journal.
fn operations() -> Vec<Operation> {
    story().into_iter().filter(|operation| !matches!(operation, Operation::Compact)).collect()
}

/// A store, the journal's length and the map after each operation.
pub fn written(folder: &Path) -> Vec<(u64, Plain)> {
    let store = FlatStore::open(folder, 4).unwrap();
    let mut map = Plain::new();
    let length = || fs::metadata(folder.join("journal")).unwrap().len();
    let mut states = vec![(length(), map.clone())];
    for operation in operations() {
        operation.on_store(&store).unwrap();
        operation.on_plain(&mut map);
        states.push((length(), map.clone()));
    }
    states
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn vectors_file(folder: &Path) -> PathBuf {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = paths.filter(|path| path.to_str().unwrap().contains("vectors."));
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

#[test]
fn every_prefix_of_the_journal_is_a_state_that_was() {
    let folder = TempDir::new().unwrap();
    let states = written(folder.path());
    let (last, _) = states.last().unwrap();
    for length in states[0].0..=*last {
        let cut = copy(folder.path());
        File::options().write(true).open(cut.path().join("journal")).unwrap().set_len(length).unwrap();
        let (_, expected) = states.iter().rfind(|(end, _)| *end <= length).unwrap();
        let store = FlatStore::open(cut.path(), 4).unwrap();
        assert_eq!(&plain(&store), expected, "at {length}");
        assert_eq!(store.repaired(), None);
    }
}

/// All the vectors that any content ever had.
fn history(states: &[(u64, Plain)]) -> Vec<(ContentId, Vec<f32>)> {
    states.iter().flat_map(|(_, map)| map.clone()).collect()
}

/// Opens what was damaged: nothing that never was, said aloud where something is amiss, and whole when opened again.
fn opens_repaired(folder: &Path, history: &[(ContentId, Vec<f32>)], map: &Plain, place: &str) -> Plain {
    let store = FlatStore::open(folder, 4).unwrap_or_else(|error| panic!("{place}: {error:#}"));
    let state = plain(&store);
    for (content, vector) in &state {
        assert!(history.contains(&(*content, vector.clone())), "{place}: {content} was invented");
    }
    if state != *map {
        let said = store.repaired();
        assert!(said.is_some(), "{place}: {state:?} is not {map:?}, and nobody said so");
        let is_back = state.keys().any(|content| !map.contains_key(content));
        assert!(!is_back || said.unwrap().contains("forgotten may be back"), "{place}");
    }
    store.upsert(&[(50, vec![1.0; 4])]).unwrap();
    store.delete(&[50]).unwrap();
    let again = FlatStore::open(folder, 4).unwrap();
    assert_eq!(plain(&again), state, "{place}");
    assert_eq!(again.repaired(), None, "{place}");
    state
}

#[test]
fn a_damaged_byte_of_the_journal_takes_only_what_it_named() {
    let folder = TempDir::new().unwrap();
    let states = written(folder.path());
    let (history, (length, map)) = (history(&states), states.last().unwrap());
    for (place, bit) in (0..*length as usize).flat_map(|place| [(place, 0x41), (place, 2)]) {
        let damaged = copy(folder.path());
        let path = damaged.path().join("journal");
        let mut bytes = fs::read(&path).unwrap();
        bytes[place] ^= bit;
        fs::write(&path, bytes).unwrap();
        let state = opens_repaired(damaged.path(), &history, map, &format!("byte {place} of the journal"));
        let differ: Vec<ContentId> = (0..20).filter(|content| state.get(content) != map.get(content)).collect();
        let Some(record) = states.iter().rposition(|(end, _)| *end <= place as u64) else {
            assert!(differ.is_empty(), "byte {place} of the head: {differ:?} differ");
            continue;
        };
        // What the damaged record did is all that may be missing.
        let (start, before) = &states[record];
        for content in &differ {
            assert_ne!(before.get(content), states[record + 1].1.get(content), "byte {place}: {content} differs");
        }
        // Of vectors that were kept, the others of the record bear themselves out; the last record may be unfinished.
        let is_entry = place as u64 >= start + 24 && record + 2 < states.len();
        if is_entry && matches!(operations()[record], Operation::Upsert(_)) {
            assert!(differ.len() <= 1, "byte {place}: {differ:?} differ");
        }
    }
}

#[test]
fn a_record_in_another_place_is_none() {
    let folder = TempDir::new().unwrap();
    let states = written(folder.path());
    let path = folder.path().join("journal");
    let mut bytes = fs::read(&path).unwrap();
    let first = bytes[states[0].0 as usize..states[1].0 as usize].to_vec();
    bytes.extend(first);
    fs::write(&path, bytes).unwrap();
    let map = &states.last().unwrap().1;
    assert_eq!(&opens_repaired(folder.path(), &history(&states), map, "a record again"), map);
}

#[test]
fn a_damaged_byte_of_the_vectors_takes_only_that_vector() {
    let folder = TempDir::new().unwrap();
    let states = written(folder.path());
    let (history, (_, map)) = (history(&states), states.last().unwrap());
    let rows = FlatStore::open(folder.path(), 4).unwrap().rows_on_disk();
    for place in 0..rows * 8 {
        let damaged = copy(folder.path());
        let path = vectors_file(damaged.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[place] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let state = opens_repaired(damaged.path(), &history, map, &format!("byte {place} of the vectors"));
        assert!(state.len() + 1 >= map.len());
        assert!(state.iter().all(|(content, vector)| map.get(content) == Some(vector)));
    }
}

#[test]
fn vectors_that_were_cut_off_are_left_out() {
    let folder = TempDir::new().unwrap();
    let states = written(folder.path());
    let (history, (_, map)) = (history(&states), states.last().unwrap());
    let rows = FlatStore::open(folder.path(), 4).unwrap().rows_on_disk();
    for length in 0..rows * 8 {
        let cut = copy(folder.path());
        File::options().write(true).open(vectors_file(cut.path())).unwrap().set_len(length as u64).unwrap();
        opens_repaired(cut.path(), &history, map, &format!("vectors of {length} bytes"));
    }
    let gone = copy(folder.path());
    fs::remove_file(vectors_file(gone.path())).unwrap();
    assert!(opens_repaired(gone.path(), &history, map, "no vectors").is_empty());
    let gone = copy(folder.path());
    fs::remove_file(gone.path().join("journal")).unwrap();
    assert!(opens_repaired(gone.path(), &history, map, "no journal").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_for_a_journal_open(bytes in prop::collection::vec(any::<u8>(), 0..300), place in 0usize..400) {
        let folder = TempDir::new().unwrap();
        let states = written(folder.path());
        let path = folder.path().join("journal");
        let mut journal = fs::read(&path).unwrap();
        let place = place.min(journal.len());
        let end = (place + bytes.len()).min(journal.len());
        journal.splice(place..end, bytes);
        fs::write(&path, journal).unwrap();
        opens_repaired(folder.path(), &history(&states), &states.last().unwrap().1, "noise");
    }
}
