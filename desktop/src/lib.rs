//! Medley's command line and window, as a library: `main.rs` calls it, and so do the tests.

pub mod app;
mod builtin;
pub mod cli;
pub mod engine;
pub mod library;
