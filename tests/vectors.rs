//! The file of vectors: what was kept is there whatever happens, and a search finds what 64 bits would find.

#![allow(clippy::unwrap_used)]

#[path = "vectors/damage.rs"]
mod damage;
#[path = "vectors/kills.rs"]
mod kills;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use half::f16;
use medley_desktop::library::photo::ContentId;
use medley_desktop::library::store::{Among, Place, Scored, VectorStore};
use medley_desktop::library::vectors::FlatStore;
use proptest::prelude::*;
use tempfile::TempDir;

/// What a store should hold: numbers as 16 bits keep them.
type Plain = BTreeMap<ContentId, Vec<f32>>;

#[derive(Clone, Debug)]
enum Operation {
    Upsert(Vec<(ContentId, Vec<f32>)>),
    Delete(Vec<ContentId>),
    Compact,
    Reopen,
}

/// Held while a program starts: until it runs, a lock that this one has is the child's as well.
static STARTS: Mutex<()> = Mutex::new(());

/// A vector as it is kept.
fn kept(vector: &[f32]) -> Vec<f32> {
    let norm = norm(vector);
    vector.iter().map(|x| f16::from_f32((f64::from(*x) / norm) as f32).to_f32()).collect()
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

impl Operation {
    fn on_plain(&self, plain: &mut Plain) {
        match self {
            Self::Upsert(vectors) => plain.extend(vectors.iter().map(|(content, vector)| (*content, kept(vector)))),
            Self::Delete(contents) => plain.retain(|content, _| !contents.contains(content)),
            Self::Compact | Self::Reopen => {}
        }
    }

    fn on_store(&self, store: &FlatStore) -> anyhow::Result<()> {
        match self {
            Self::Upsert(vectors) => store.upsert(vectors),
            Self::Delete(contents) => store.delete(contents),
            Self::Compact => store.compact(),
            Self::Reopen => Ok(()),
        }
    }
}

/// What a store holds.
fn plain(store: &FlatStore) -> Plain {
    let contents = store.contents().unwrap();
    assert_eq!(store.len(), contents.len());
    contents.into_iter().map(|content| (content, store.vector(content).unwrap().unwrap())).collect()
}

/// What a search should find.
fn brute(plain: &Plain, query: &[f32], top: usize, among: Among<'_>) -> Vec<Scored> {
    let allowed = |content: &ContentId| match among {
        Among::All => true,
        Among::Only(contents) => contents.contains(content),
    };
    let mut found: Vec<Scored> = plain
        .iter()
        .filter(|(content, _)| allowed(content))
        .map(|(content, vector)| {
            let product: f64 = vector.iter().zip(query).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            Scored { content: *content, similarity: (product / norm(query)) as f32 }
        })
        .collect();
    found.sort_by(|a, b| b.similarity.partial_cmp(&a.similarity).unwrap().then(a.content.cmp(&b.content)));
    found.truncate(top);
    for scored in &mut found {
        scored.similarity = scored.similarity.clamp(-1.0, 1.0);
    }
    found
}

/// Few directions, so that many are equally similar, or any.
fn vector(dimensions: usize) -> impl Strategy<Value = Vec<f32>> {
    let coarse = prop::collection::vec((-1i8..=1).prop_map(f32::from), dimensions);
    let fine = prop::collection::vec(-1.0f32..1.0, dimensions);
    prop_oneof![coarse, fine].prop_filter("a vector needs a direction", |vector| norm(vector) > 1e-3)
}

fn operation(dimensions: usize) -> impl Strategy<Value = Operation> {
    let content = prop_oneof![9 => 0i64..20, 1 => any::<i64>()];
    prop_oneof![
        6 => prop::collection::vec((content.clone(), vector(dimensions)), 0..6).prop_map(Operation::Upsert),
        2 => prop::collection::vec(content, 0..4).prop_map(Operation::Delete),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map(operations in prop::collection::vec(operation(5), 1..30), query in vector(5), top in 0usize..30) {
        let folder = TempDir::new().unwrap();
        let mut store = FlatStore::open(folder.path(), 5).unwrap();
        let onlooker = FlatStore::open(folder.path(), 5).unwrap();
        let mut map = Plain::new();
        for operation in &operations {
            operation.on_store(&store).unwrap();
            operation.on_plain(&mut map);
            if matches!(operation, Operation::Reopen) {
                store = FlatStore::open(folder.path(), 5).unwrap();
            }
            prop_assert_eq!(&plain(&store), &map);
            prop_assert_eq!(store.search(&query, top, Among::All).unwrap(), brute(&map, &query, top, Among::All));
            prop_assert_eq!(store.repaired(), None);
        }
        prop_assert_eq!(&plain(&onlooker), &map);
    }

    #[test]
    fn a_search_is_brute_force(
        dimensions in 1usize..100,
        seed in any::<u64>(),
        count in 0usize..3000,
        top in prop_oneof![0usize..20, Just(usize::MAX)],
        every in 1usize..200,
        threads in 1usize..4,
    ) {
        let mut random = Random(seed);
        let folder = TempDir::new().unwrap();
        let store = FlatStore::open(folder.path(), dimensions).unwrap();
        // Half of them again and again, to be equally similar.
        let vectors: Vec<(ContentId, Vec<f32>)> = (0..count as i64)
            .map(|content| (content * 3 % 1009 * 10, random.vector(dimensions, content % 2 == 0)))
            .collect();
        store.upsert(&vectors).unwrap();
        let map: Plain = vectors.iter().map(|(content, vector)| (*content, kept(vector))).collect();
        let query: Vec<f32> = random.vector(dimensions, false).iter().map(|x| x * 7.0).collect();
        let only: Vec<ContentId> = (0..10_000).step_by(every).collect();
        for among in [Among::All, Among::Only(&only)] {
            let found = store.search_on(threads, &query, top, among).unwrap();
            prop_assert_eq!(found, brute(&map, &query, top, among));
        }
    }
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn vector(&mut self, dimensions: usize, is_coarse: bool) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..dimensions)
            .map(
                |_| if is_coarse { (self.next() % 3) as f32 - 1.0 } else { (self.next() % 2001) as f32 / 1000.0 - 1.0 },
            )
            .collect();
        if norm(&vector) < 1e-3 {
            vector[0] = 1.0;
        }
        vector
    }
}

/// Hundreds that differ by less than sums in 32 bits are off.
#[test]
fn sums_in_32_bits_do_not_decide() {
    let folder = TempDir::new().unwrap();
    let store = FlatStore::open(folder.path(), 256).unwrap();
    let mut random = Random(3);
    let like = random.vector(256, false);
    let near = |random: &mut Random| like.iter().map(|x| x + (random.next() % 3) as f32 * 5e-4).collect();
    let vectors: Vec<(ContentId, Vec<f32>)> = (0..3000).map(|content| (content, near(&mut random))).collect();
    store.upsert(&vectors).unwrap();
    let map: Plain = vectors.iter().map(|(content, vector)| (*content, kept(vector))).collect();
    for top in [1, 100, 1500] {
        let query = random.vector(256, false);
        assert_eq!(store.search(&query, top, Among::All).unwrap(), brute(&map, &query, top, Among::All));
        assert_eq!(store.search(&like, top, Among::All).unwrap(), brute(&map, &like, top, Among::All));
    }
}

/// What some tests do to a store.
fn story() -> Vec<Operation> {
    let vector = |seed| Random(seed).vector(4, false);
    vec![
        Operation::Upsert(vec![(1, vector(1)), (2, vector(2)), (3, vector(3)), (12, vector(9)), (13, vector(10))]),
        Operation::Upsert(vec![(4, vector(4)), (2, vector(5))]),
        Operation::Delete(vec![1, 9]),
        Operation::Compact,
        Operation::Upsert(vec![(1, vector(6))]),
        Operation::Delete(vec![3, 4]),
        Operation::Upsert(vec![(3, vector(7)), (5, vector(8))]),
        Operation::Compact,
    ]
}

/// More rows than a thread takes at a time, nearly all of them equally similar, some of them replaced.
#[test]
fn many_equals_are_found_by_content() {
    let folder = TempDir::new().unwrap();
    let store = FlatStore::open(folder.path(), 2).unwrap();
    let vectors: Vec<(ContentId, Vec<f32>)> = (0..30_000).rev().map(|content| (content, vec![1.0, 0.0])).collect();
    store.upsert(&vectors).unwrap();
    store.upsert(&[(7, vec![0.0, 1.0]), (20_000, vec![1.0, 1.0])]).unwrap();
    let found = store.search(&[1.0, 0.0], 10, Among::All).unwrap();
    let contents: Vec<ContentId> = found.iter().map(|scored| scored.content).collect();
    assert_eq!(contents, [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]);
    assert_eq!(store.search(&[1.0, 0.0], usize::MAX, Among::All).unwrap().len(), 30_000);
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let folder = TempDir::new().unwrap();
    let store = FlatStore::open(folder.path(), 3).unwrap();
    store.upsert(&[(1, vec![1.0, 2.0, 3.0])]).unwrap();
    let good = (2, vec![1.0; 3]);
    for bad in [vec![1.0; 2], vec![1.0; 4], vec![0.0; 3], vec![f32::NAN, 1.0, 1.0], vec![f32::INFINITY, 1.0, 1.0]] {
        assert!(store.upsert(&[good.clone(), (3, bad.clone())]).is_err(), "{bad:?}");
        assert!(store.search(&bad, 1, Among::All).is_err(), "{bad:?}");
    }
    assert_eq!(store.contents().unwrap(), [1]);
    let error = FlatStore::open(folder.path(), 4).unwrap_err().to_string();
    assert!(error.contains("3 numbers, not 4"), "{error}");
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    drop(FlatStore::open(folder.path(), 3).unwrap());
    let path = folder.path().join("journal");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] += 1;
    let sum = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = FlatStore::open(folder.path(), 3).unwrap_err().to_string();
    assert!(error.contains("newer version"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_place_for_vectors_is_a_folder_or_a_server() {
    assert_eq!("folder".parse::<Place>().unwrap(), Place::Folder);
    assert_eq!("qdrant://localhost:6333".parse::<Place>().unwrap(), Place::Qdrant("localhost:6333".to_owned()));
    assert_eq!("qdrant://[::1]:80/".parse::<Place>().unwrap(), Place::Qdrant("[::1]:80".to_owned()));
    for wrong in
        ["", "qdrant", "qdrant://", "qdrant://host", "qdrant://:1", "qdrant://host:x", "qdrant://a/b:1", "http://a:1"]
    {
        assert!(wrong.parse::<Place>().is_err(), "{wrong}");
    }
}

/// Batches of ten, one after the other.
fn batch(number: i64) -> Vec<(ContentId, Vec<f32>)> {
    (number * 10..number * 10 + 10).map(|content| (content, Random(content as u64).vector(8, false))).collect()
}

/// Programs and threads that read and write the same folder.
#[test]
fn writers_take_turns_and_readers_see_whole_batches() {
    let folder = TempDir::new().unwrap();
    let store = FlatStore::open(folder.path(), 8).unwrap();
    let alone = STARTS.lock().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_other_program", "--ignored"])
        .env("MEDLEY_TEST_FOLDER", folder.path())
        .spawn()
        .unwrap();
    drop(alone);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let read = || {
            let onlooker = FlatStore::open(folder.path(), 8).unwrap();
            let mut before = 0;
            while !is_done.load(Ordering::Relaxed) {
                for reader in [&store, &onlooker] {
                    let contents = reader.contents().unwrap();
                    assert!(
                        contents.as_chunks::<10>().0.iter().all(|batch| batch[0] % 10 == 0 && batch[9] == batch[0] + 9)
                    );
                    assert_eq!(contents.len() % 10, 0);
                    let found = reader.search(&[1.0; 8], usize::MAX, Among::All).unwrap();
                    assert!(found.len() >= contents.len() && contents.len() >= before);
                    before = contents.len();
                }
            }
        };
        scope.spawn(read);
        for number in 0..60 {
            store.upsert(&batch(number)).unwrap();
            if number % 20 == 19 {
                store.compact().unwrap();
            }
        }
        assert!(other.wait().unwrap().success());
        is_done.store(true, Ordering::Relaxed);
    });
    let map: Plain = (0..120).flat_map(batch).map(|(content, vector)| (content, kept(&vector))).collect();
    assert_eq!(plain(&store), map);
    assert_eq!(plain(&FlatStore::open(folder.path(), 8).unwrap()), map);
}

#[test]
#[ignore = "is run by another test, as a program of its own"]
fn the_other_program() {
    let Some(folder) = std::env::var_os("MEDLEY_TEST_FOLDER") else { return };
    let store = FlatStore::open(Path::new(&folder), 8).unwrap();
    for number in 60..120 {
        store.upsert(&batch(number)).unwrap();
    }
    store.compact().unwrap();
}

/// A writer whose disk failed took its last record back, and the next one is as long.
#[test]
fn a_record_in_the_place_of_another_is_noticed() {
    let folder = TempDir::new().unwrap();
    let store = FlatStore::open(folder.path(), 4).unwrap();
    store.upsert(&[(1, vec![1.0; 4])]).unwrap();
    let journal = folder.path().join("journal");
    let before = fs::read(&journal).unwrap();
    store.upsert(&[(2, vec![1.0; 4])]).unwrap();
    let onlooker = FlatStore::open(folder.path(), 4).unwrap();
    fs::write(&journal, before).unwrap();
    FlatStore::open(folder.path(), 4).unwrap().upsert(&[(3, vec![-1.0, 1.0, 1.0, 1.0])]).unwrap();
    for store in [store, onlooker] {
        let state = plain(&store);
        assert_eq!(state.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(state[&3], [-0.5, 0.5, 0.5, 0.5]);
    }
}

#[test]
fn a_store_that_is_mostly_dead_shrinks_by_itself() {
    let folder = TempDir::new().unwrap();
    let store = FlatStore::open(folder.path(), 4).unwrap();
    let vectors: Vec<(ContentId, Vec<f32>)> = (0..3000).map(|content| (content, vec![1.0; 4])).collect();
    for _ in 0..10 {
        store.upsert(&vectors).unwrap();
    }
    assert!(store.rows_on_disk() < 10_000, "{} rows for 3000 vectors", store.rows_on_disk());
    assert_eq!(store.len(), 3000);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    damage::written(folder.path());
    let lock = folder.path().join("lock");
    fs::remove_file(&lock).unwrap();
    // A folder where the lock should be: even who may do everything cannot write to it.
    fs::create_dir(&lock).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let store = FlatStore::open(folder.path(), 4).unwrap();
    assert!(!store.is_empty());
    let error = store.upsert(&[(1, vec![1.0; 4])]).unwrap_err().to_string();
    assert!(error.contains("could not write"), "{error}");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}
