//! Paths as bytes, so that the catalogue keeps names that are no text.

use std::path::{Path, PathBuf};

cfg_select! {
    unix => {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        /// The path as the system spells it.
        pub fn to_bytes(path: &Path) -> Vec<u8> {
            path.as_os_str().as_bytes().to_vec()
        }

        /// The path that these bytes spell.
        pub fn from_bytes(bytes: &[u8]) -> PathBuf {
            PathBuf::from(OsStr::from_bytes(bytes))
        }
    }
    _ => {
        /// The path as UTF-8; the rare name that is no Unicode cannot be found again.
        pub fn to_bytes(path: &Path) -> Vec<u8> {
            path.to_string_lossy().into_owned().into_bytes()
        }

        /// The path that these bytes spell.
        pub fn from_bytes(bytes: &[u8]) -> PathBuf {
            PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

/// Where the spellings of everything below a folder begin, and before what they end.
pub fn below(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut start = to_bytes(folder);
    let separator = std::path::MAIN_SEPARATOR as u8;
    if start.last() != Some(&separator) {
        start.push(separator);
    }
    let mut end = start.clone();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    (start, end)
}
