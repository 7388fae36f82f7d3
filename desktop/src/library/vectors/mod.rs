//! Vectors in a folder: a file that is mapped, and a journal that says whose they are.
//!
//! `vectors.N` holds rows of 16-bit floats and nothing else; `journal` names them (see `journal.rs`). A call writes
//! its rows behind the others, waits for the disk, appends one record to the journal, and waits again: whenever it is
//! killed, the record is there in whole or not at all. Rows that were replaced or forgotten stay until a compaction
//! writes both files anew, `vectors.N+1` first, and then puts the new journal in the old one's place.

mod compact;
mod disk;
mod flat;
mod journal;
mod lock;
mod rows;
mod scan;
mod share;

pub use disk::{Disk, RealDisk};
pub use flat::FlatStore;
