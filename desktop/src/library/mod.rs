//! A library of photographs: where they lie, what is known of them, and the vectors they are found by.
//!
//! A library is a folder: `catalog.sqlite` knows the files, `vectors/` holds one column of features for each model,
//! `thumbnails/` what the window shows. The photographs stay where they are and are never written to.

pub mod export;
pub mod photo;
pub mod query;
pub mod store;
pub mod vectors;
