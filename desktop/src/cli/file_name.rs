//! A file's name as the system's own tools write it: bytes, which need not be text on Unix.

use std::path::{Path, PathBuf};

cfg_select! {
    unix => {
        use std::ffi::OsString;
        use std::os::unix::ffi::{OsStrExt, OsStringExt};

        /// The name that these bytes are; none where they cannot be one.
        pub fn from_bytes(bytes: &[u8]) -> Option<PathBuf> {
            Some(OsString::from_vec(bytes.to_vec()).into())
        }

        /// The bytes of a name.
        pub fn to_bytes(path: &Path) -> Vec<u8> {
            path.as_os_str().as_bytes().to_vec()
        }
    }
    _ => {
        /// The name that these bytes are; none where they cannot be one.
        pub fn from_bytes(bytes: &[u8]) -> Option<PathBuf> {
            std::str::from_utf8(bytes).ok().map(PathBuf::from)
        }

        /// The bytes of a name.
        pub fn to_bytes(path: &Path) -> Vec<u8> {
            path.to_string_lossy().into_owned().into_bytes()
        }
    }
}
