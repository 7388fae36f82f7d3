//! A disk that ends, and a program that does.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use medley_desktop::library::store::VectorStore;
use medley_desktop::library::vectors::{Disk, FlatStore};
use tempfile::TempDir;

use super::{Operation, Plain, STARTS, plain, story};

/// The disk as it is.
struct Plainly;

impl std::fmt::Debug for Plainly {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Plainly")
    }
}

impl Disk for Plainly {}

/// A disk that ends after so many bytes and other steps.
#[derive(Clone, Debug)]
struct Limited {
    left: Arc<AtomicI64>,
    /// Whether only room ends: then everything that takes none goes on.
    is_full: bool,
}

impl Limited {
    fn new(left: i64, is_full: bool) -> Self {
        Self { left: Arc::new(AtomicI64::new(left)), is_full }
    }

    fn step(&self) -> io::Result<()> {
        if self.is_full {
            return Ok(());
        }
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

impl Disk for Limited {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        Plainly.create(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let left = self.left.fetch_sub(bytes.len() as i64, Ordering::Relaxed).max(0) as usize;
        Plainly.write(file, offset, &bytes[..left.min(bytes.len())])?;
        if left < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.step()?;
        Plainly.set_len(file, bytes)
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        self.step()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        Plainly.remove(path)
    }
}

/// Does the story on a disk that ends; the store, whether it came to its end, and what may be in it.
fn told(disk: &Limited, folder: &Path) -> (Option<FlatStore>, bool, [Plain; 2]) {
    let mut map = Plain::new();
    let Ok(store) = FlatStore::open_on(Box::new(disk.clone()), folder, 4) else {
        return (None, false, [map.clone(), map]);
    };
    for operation in story() {
        let before = map.clone();
        operation.on_plain(&mut map);
        if operation.on_store(&store).is_err() {
            return (Some(store), false, [before, map]);
        }
    }
    (Some(store), true, [map.clone(), map])
}

#[test]
fn a_kill_between_any_two_bytes_loses_nothing_and_invents_nothing() {
    for left in 0.. {
        let _alone = STARTS.lock().unwrap();
        let folder = TempDir::new().unwrap();
        let disk = Limited::new(left, false);
        let (store, is_done, states) = told(&disk, folder.path());
        drop(store);
        let store = FlatStore::open(folder.path(), 4).unwrap();
        let state = plain(&store);
        assert!(states.contains(&state), "after {left} steps: {state:?} is neither of {states:?}");
        assert_eq!(store.repaired(), None, "after {left} steps");
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 3, "after {left} steps there is more than a lock, a journal and its vectors");
        // And life goes on.
        let late = Operation::Upsert(vec![(11, vec![1.0; 4])]);
        late.on_store(&store).unwrap();
        let mut map = state;
        late.on_plain(&mut map);
        assert_eq!(plain(&store), map);
        assert_eq!(plain(&FlatStore::open(folder.path(), 4).unwrap()), map);
        if is_done {
            assert!(left > 500);
            return;
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_all_is_as_before() {
    for left in 0.. {
        let folder = TempDir::new().unwrap();
        let disk = Limited::new(left, true);
        let (store, is_done, [before, _]) = told(&disk, folder.path());
        if let Some(store) = &store {
            assert_eq!(plain(store), before, "after {left} bytes");
            // Someone makes room.
            disk.left.store(i64::MAX, Ordering::Relaxed);
            let late = Operation::Upsert(vec![(11, vec![1.0; 4])]);
            late.on_store(store).unwrap();
            let mut map = before.clone();
            late.on_plain(&mut map);
            assert_eq!(plain(store), map, "after {left} bytes");
            assert_eq!(plain(&FlatStore::open(folder.path(), 4).unwrap()), map, "after {left} bytes");
        } else {
            assert_eq!(plain(&FlatStore::open(folder.path(), 4).unwrap()), before);
        }
        if is_done {
            return;
        }
    }
}

/// A disk that cannot say whether it has what was written, once.
#[derive(Debug)]
struct Doubtful(Arc<AtomicI64>);

impl Disk for Doubtful {
    fn sync(&self, file: &File) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 { Err(io::ErrorKind::Other.into()) } else { Plainly.sync(file) }
    }
}

#[test]
fn what_the_disk_may_not_have_is_taken_back() {
    for which in 0..2 {
        let folder = TempDir::new().unwrap();
        let left = Arc::new(AtomicI64::new(100));
        let store = FlatStore::open_on(Box::new(Doubtful(left.clone())), folder.path(), 4).unwrap();
        store.upsert(&[(1, vec![1.0; 4])]).unwrap();
        let before = plain(&store);
        left.store(which, Ordering::Relaxed);
        assert!(store.upsert(&[(1, vec![-1.0; 4]), (2, vec![1.0; 4])]).is_err());
        assert_eq!(plain(&store), before);
        assert_eq!(plain(&FlatStore::open(folder.path(), 4).unwrap()), before);
        store.upsert(&[(2, vec![1.0; 4])]).unwrap();
        assert_eq!(plain(&FlatStore::open(folder.path(), 4).unwrap()).len(), 2);
    }
}

#[test]
fn what_another_program_left_unfinished_is_cut_off_by_the_next_writer() {
    let many: Vec<_> = (0..10).map(|content| (content, vec![1.0; 4])).collect();
    // A head of 32 bytes, then a record of 28 and 12 for each.
    for length in 33..32 + 28 + 12 * 10 {
        let folder = TempDir::new().unwrap();
        let store = FlatStore::open(folder.path(), 4).unwrap();
        let onlooker = FlatStore::open(folder.path(), 4).unwrap();
        store.upsert(&many).unwrap();
        File::options().write(true).open(folder.path().join("journal")).unwrap().set_len(length).unwrap();
        assert!(plain(&onlooker).is_empty());
        onlooker.upsert(&many[..1]).unwrap();
        assert_eq!(plain(&onlooker).len(), 1);
        let again = FlatStore::open(folder.path(), 4).unwrap();
        assert_eq!((plain(&again).len(), again.repaired()), (1, None), "at {length}");
    }
}

/// Notes what is asked of the disk.
#[derive(Clone, Debug, Default)]
struct Noting(Arc<Mutex<Vec<&'static str>>>);

impl Disk for Noting {
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().push("write");
        Plainly.write(file, offset, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.0.lock().unwrap().push("sync");
        Plainly.sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.lock().unwrap().push("rename");
        Plainly.rename(from, to)
    }
}

/// The power may fail, too: what names something is written when the disk has what it names.
#[test]
fn the_disk_has_the_vectors_before_it_hears_of_them() {
    let folder = TempDir::new().unwrap();
    let disk = Noting::default();
    let store = FlatStore::open_on(Box::new(disk.clone()), folder.path(), 4).unwrap();
    let noted = || std::mem::take(&mut *disk.0.lock().unwrap());
    assert_eq!(noted(), ["write", "sync", "sync", "rename"]);
    store.upsert(&[(1, vec![1.0; 4]), (2, vec![1.0; 4])]).unwrap();
    assert_eq!(noted(), ["write", "sync", "write", "sync"]);
    store.delete(&[2]).unwrap();
    assert_eq!(noted(), ["write", "sync"]);
    store.compact().unwrap();
    assert_eq!(noted(), ["write", "write", "write", "sync", "sync", "rename"]);
}
