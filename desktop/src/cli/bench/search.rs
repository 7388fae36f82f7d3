//! `medley bench --search`: what a library of so many photographs costs to open and to search, by features alone.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use pulp::Arch;
use serde_json::json;

use super::Arguments;
use crate::cli::{ALL_GOOD, interrupt, memory, print};
use crate::library::photo::ContentId;
use crate::library::store::{Among, VectorStore};
use crate::library::vectors::FlatStore;

/// Numbers of a vector, as BLIP's are.
const DIMENSIONS: usize = 256;
/// Vectors of a call while a store is filled, and of the call that is measured.
const BATCH: usize = 1000;
/// What a search is asked for.
const TOP: usize = 100;

/// Measures stores of each size, each in a process of its own: memory is what that process has.
pub fn run(arguments: &Arguments, counts: &[usize]) -> Result<u8> {
    for count in counts {
        let temporary = tempfile::tempdir().context("could not create a folder for the vectors")?;
        let folder = arguments.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
        if fill(arguments, &folder, *count)? {
            return Bench { arguments, folder, count: *count }.all();
        }
        let program = std::env::current_exe().context("could not find this program")?;
        let mut command = Command::new(&program);
        command.args(["bench", "--search", &count.to_string(), "--runs", &arguments.runs.to_string()]);
        command.arg("--keep").arg(&folder).args(arguments.json.then_some("--json"));
        let status = command.status().with_context(|| format!("could not run {}", program.display()))?;
        if interrupt::flow().is_break() {
            return Err(medley::Error::Cancelled.into());
        }
        if !status.success() {
            bail!("{count} vectors: ended with {status}");
        }
    }
    Ok(ALL_GOOD)
}

/// Fills an empty folder; whether it was full already.
fn fill(arguments: &Arguments, folder: &Path, count: usize) -> Result<bool> {
    let store = FlatStore::open(folder, DIMENSIONS)?;
    if store.len() == count {
        return Ok(true);
    }
    if !store.is_empty() {
        bail!("{} holds {} vectors, not {count}: give another folder", folder.display(), store.len());
    }
    let mut random = Random(1);
    let mut seconds = 0.0;
    for first in (0..count).step_by(BATCH) {
        let vectors = random.vectors(first, BATCH.min(count - first));
        let start = Instant::now();
        store.upsert(&vectors)?;
        seconds += start.elapsed().as_secs_f64();
        if interrupt::flow().is_break() {
            return Err(medley::Error::Cancelled.into());
        }
    }
    show(arguments, count, "fill, a thousand a call", [seconds; 2]);
    Ok(false)
}

struct Bench<'a> {
    arguments: &'a Arguments,
    folder: PathBuf,
    count: usize,
}

impl Bench<'_> {
    fn all(&self) -> Result<u8> {
        let mut random = Random(2);
        let mut query = || random.vector();
        let open = || FlatStore::open(&self.folder, DIMENSIONS);
        let start = Instant::now();
        let store = open()?;
        show(self.arguments, self.count, "first open", [start.elapsed().as_secs_f64(); 2]);
        let start = Instant::now();
        black_box(store.search(&query(), TOP, Among::All)?);
        show(self.arguments, self.count, "first search", [start.elapsed().as_secs_f64(); 2]);
        if let Some(resident) = memory::resident() {
            self.show_bytes("memory of its own", resident.own);
            self.show_bytes("memory mapped", resident.mapped);
        }
        self.measure("open", || open().map(|store| store.len()))?;
        self.measure("scan, one thread", || store.search_on(1, &query(), TOP, Among::All))?;
        self.measure("scan, all threads", || store.search(&query(), TOP, Among::All))?;
        // Every hundredth, not side by side.
        let few: Vec<ContentId> = (0..self.count as ContentId).filter(|content| content * 7919 % 100 == 3).collect();
        self.measure("scan, 1 % allowed", || store.search(&query(), TOP, Among::Only(&few)))?;
        let half: Vec<ContentId> = (0..self.count as ContentId).step_by(2).collect();
        self.measure("scan, half allowed", || store.search(&query(), TOP, Among::Only(&half)))?;
        self.measure("all in order", || store.search(&query(), usize::MAX, Among::All))?;
        let vectors = random.vectors(self.count, BATCH);
        let contents: Vec<ContentId> = vectors.iter().map(|(content, _)| *content).collect();
        self.measure("insert a thousand", || store.upsert(&vectors))?;
        store.delete(&contents)?;
        store.compact()?;
        drop(store);
        self.plain_read()
    }

    /// What the machine needs to read as many bytes and do nothing with them.
    fn plain_read(&self) -> Result<u8> {
        let bytes = vec![1; self.count * DIMENSIONS * 2];
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for (name, threads) in [("plain read, one thread", 1), ("plain read, all threads", threads)] {
            let part = bytes.len().div_ceil(threads).max(1);
            self.measure(name, || {
                std::thread::scope(|scope| {
                    bytes.chunks(part).skip(1).for_each(|part| drop(scope.spawn(|| black_box(read(part)))));
                    black_box(read(&bytes[..part.min(bytes.len())]));
                });
                Ok(())
            })?;
        }
        Ok(ALL_GOOD)
    }

    /// Runs some work over and over, the first time for nothing.
    fn measure<T>(&self, work: &str, mut run: impl FnMut() -> Result<T>) -> Result<()> {
        black_box(run()?);
        let mut seconds = Vec::new();
        for _ in 0..self.arguments.runs {
            let start = Instant::now();
            let made = run()?;
            seconds.push(start.elapsed().as_secs_f64());
            black_box(made);
            if interrupt::flow().is_break() {
                return Err(medley::Error::Cancelled.into());
            }
        }
        seconds.sort_by(f64::total_cmp);
        show(self.arguments, self.count, work, [seconds[0], seconds[seconds.len() / 2]]);
        Ok(())
    }

    fn show_bytes(&self, work: &str, bytes: u64) {
        if self.arguments.json {
            print(&json!({ "vectors": self.count, "work": work, "bytes": bytes }));
        } else {
            print(&format_args!("{:>9} vectors  {work:<24} {:>9.1} MB", self.count, bytes as f64 / 1e6));
        }
    }
}

fn show(arguments: &Arguments, count: usize, work: &str, [least, median]: [f64; 2]) {
    if arguments.json {
        print(&json!({ "vectors": count, "work": work, "least": least, "median": median }));
    } else {
        print(&format_args!("{count:>9} vectors  {work:<24} {:>9.3} ms {:>9.3} ms", least * 1e3, median * 1e3));
    }
}

/// Reads bytes as fast as the machine can.
fn read(bytes: &[u8]) -> u64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut totals = [0; 32];
            for chunk in bytes.as_chunks::<256>().0 {
                for (total, number) in totals.iter_mut().zip(chunk.as_chunks::<8>().0) {
                    *total ^= u64::from_le_bytes(*number);
                }
            }
            totals.iter().fold(0, |total, number| total ^ number)
        },
    )
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn vectors(&mut self, first: usize, count: usize) -> Vec<(ContentId, Vec<f32>)> {
        (first..first + count).map(|content| (content as ContentId, self.vector())).collect()
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSIONS)
            .map(|_| {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((self.0 >> 40) as f32 - 8_388_607.5) / 8_388_608.0
            })
            .collect()
    }
}
