//! A Qdrant server keeps and finds what the store in a folder does.
//!
//! `MEDLEY_QDRANT=localhost:6333 cargo test --features medley-desktop/qdrant --test qdrant -- --ignored`; where no
//! server can be started, `reference/qdrant_edge_server.py` answers with Qdrant's embedded engine.

#![allow(clippy::unwrap_used)]

use medley_desktop::library::photo::ContentId;
use medley_desktop::library::qdrant::QdrantStore;
use medley_desktop::library::store::{self, Among, Place, Scored, VectorStore};
use medley_desktop::library::vectors::FlatStore;

const DIMENSIONS: usize = 32;

/// A number of its own for each place.
fn vector(content: ContentId, turn: i64) -> Vec<f32> {
    (0..DIMENSIONS as i64).map(|at| ((content * 7919 + at * 104_729 + turn * 31) % 997) as f32 / 498.0 - 1.0).collect()
}

fn address() -> String {
    std::env::var("MEDLEY_QDRANT").expect("MEDLEY_QDRANT says where the server listens")
}

/// The same contents, as similar within what adding up in 32 bits may be off by.
fn assert_same(found: &[Scored], expected: &[Scored]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.similarity - expected.similarity).abs() < 1e-5, "{found:?} is not {expected:?}");
        assert_eq!(found.content, expected.content);
    }
}

#[test]
#[ignore = "needs a Qdrant server"]
fn a_server_keeps_and_finds_what_a_folder_does() {
    let folder = tempfile::tempdir().unwrap();
    let flat = FlatStore::open(folder.path(), DIMENSIONS).unwrap();
    let key =
        format!("{}-{}", std::process::id(), folder.path().file_name().unwrap().to_str().unwrap().replace('.', ""));
    let open = || store::open(&Place::Qdrant(address()), folder.path(), &key, DIMENSIONS);
    let server = open().unwrap();
    assert!(server.is_empty());
    assert!(server.search(&vector(1, 0), 5, Among::All).unwrap().is_empty());
    let both: [&dyn VectorStore; 2] = [&flat, &*server];
    for store in both {
        let vectors = |turn, contents: std::ops::Range<i64>| {
            contents.map(|content| (content, vector(content, turn))).collect::<Vec<_>>()
        };
        store.upsert(&vectors(0, 0..2500)).unwrap();
        store.upsert(&vectors(5, 100..120)).unwrap();
        store.delete(&[3, 4, 5000]).unwrap();
        store.upsert(&[]).unwrap();
        store.delete(&[]).unwrap();
    }
    assert_eq!(server.len(), flat.len());
    assert_eq!(server.contents().unwrap(), flat.contents().unwrap());
    for content in [0, 3, 110, 2499, 5000] {
        assert_eq!(server.vector(content).unwrap(), flat.vector(content).unwrap());
    }
    let only: Vec<ContentId> = (0..2500).step_by(7).chain([9000]).collect();
    for content in [1, 700, 2000] {
        let query: Vec<f32> = vector(content, 1).iter().map(|x| x * 3.0).collect();
        for (top, among) in
            [(10, Among::All), (50, Among::Only(&only)), (usize::MAX, Among::Only(&only)), (5, Among::Only(&[]))]
        {
            assert_same(&server.search(&query, top, among).unwrap(), &flat.search(&query, top, among).unwrap());
        }
        assert_eq!(server.search(&query, usize::MAX, Among::All).unwrap().len(), 2498);
    }
    drop(server);
    assert_eq!(open().unwrap().len(), flat.len());
    let error = store::open(&Place::Qdrant(address()), folder.path(), &key, 8).unwrap_err().to_string();
    assert!(error.contains("not 8"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let error = QdrantStore::open("127.0.0.1:1", "medley-none", 4).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("is Qdrant running"), "{error}");
}
