//! Window systems that this program cannot carry files out of.

use std::path::PathBuf;

use anyhow::{Result, bail};
use raw_window_handle::RawWindowHandle;

use super::Carry;

/// A window that things can be carried out of: there is none.
#[derive(Clone, Copy, Debug)]
pub enum Window {}

/// The window behind a handle, if things can be carried out of it.
pub fn window(_: RawWindowHandle) -> Option<Window> {
    None
}

/// Carries files.
///
/// # Errors
/// Always.
pub fn run(_: Option<&str>, _: Window, _: &[PathBuf], _: &Carry, _: &dyn Fn()) -> Result<bool> {
    bail!("files cannot be carried out of a window here")
}
