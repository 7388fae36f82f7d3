//! A file's name as the system's own tools write it: bytes, which need not be text on Unix.

use std::path::PathBuf;

cfg_select! {
    unix => {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;

        /// The name that these bytes are; none where they cannot be one.
        pub fn from_bytes(bytes: &[u8]) -> Option<PathBuf> {
            Some(OsString::from_vec(bytes.to_vec()).into())
        }
    }
    _ => {
        /// The name that these bytes are; none where they cannot be one.
        pub fn from_bytes(bytes: &[u8]) -> Option<PathBuf> {
            std::str::from_utf8(bytes).ok().map(PathBuf::from)
        }
    }
}
