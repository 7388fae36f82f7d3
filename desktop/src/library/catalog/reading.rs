//! A catalogue that may only be read: its disk or its folder cannot be written, or someone asked for that.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Result};

/// How a connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Beside one that writes.
    Beside,
    /// Without writing, following the changes that lie beside the file.
    Following,
    /// Without writing, the file alone: nobody changes it.
    Alone,
}

/// How a catalogue that may only be read is read.
///
/// SQLite keeps changes in a log, and an index of it in another file; a program that was killed leaves both there. Where
/// they are not, nobody has the catalogue open, and all is in the file itself.
pub(super) fn way(file: &Path) -> Result<Way> {
    let looks = |way| connect(file, way)?.query_row("select count(*) from sqlite_master", (), |_| Ok(()));
    let is_there = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        Path::new(&name).exists()
    };
    if is_there("-wal") && is_there("-shm") && looks(Way::Following).is_ok() {
        return Ok(Way::Following);
    }
    looks(Way::Alone).map(|()| Way::Alone)
}

/// A connection of its own.
pub(super) fn connect(file: &Path, way: Way) -> Result<Connection> {
    let how = match way {
        Way::Beside => return Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE),
        Way::Following => "mode=ro&readonly_shm=1",
        Way::Alone => "mode=ro&immutable=1",
    };
    Connection::open_with_flags(address(file, how), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

/// The file as SQLite's addresses spell it.
fn address(file: &Path, how: &str) -> PathBuf {
    let bytes = file.as_os_str().as_encoded_bytes();
    let mut address = "file:".to_owned();
    if cfg!(windows) {
        // In front of the drive's letter.
        address.push('/');
    }
    for byte in bytes {
        match byte {
            b'\\' if cfg!(windows) => address.push('/'),
            b'/' | b':' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                address.push(char::from(*byte));
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    PathBuf::from(format!("{address}?{how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn every_name_has_an_address() {
        use std::os::unix::ffi::OsStrExt;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/a b/100%?#\xff.sqlite"));
        assert_eq!(address(odd, "mode=ro"), Path::new("file:/a%20b/100%25%3F%23%FF.sqlite?mode=ro"));
    }
}
