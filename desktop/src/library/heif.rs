//! HEIC and AVIF, by a program that is installed: decoders of both are C, and a damaged file ends theirs, not ours.
//!
//! libheif's `heif-dec` (`heif-convert` before 1.19) reads both, and so does macOS' own `sips`; `ffmpeg` reads AVIF.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use medley::preprocess::Newer;

use super::program::{find, output};

/// What `heif-dec` writes is read once and never kept.
const JPEG_QUALITY: &str = "95";

/// No program is installed that reads a format: nothing is wrong with the file.
#[derive(Debug, thiserror::Error)]
#[error(
    "{format} pictures are read by heif-dec or heif-convert, which are not installed here: install libheif's programs \
     (libheif-examples on Debian and Ubuntu, libheif-tools on Fedora, libheif elsewhere), or save it as JPEG"
)]
pub struct NoProgram {
    format: &'static str,
}

/// A program, and how it is asked.
#[derive(Clone, Copy)]
enum Asked {
    /// `heif-dec`: from a file to a JPEG file.
    Libheif,
    /// `sips`: the same.
    Sips,
    /// `ffmpeg`: from a file to a bitmap it prints.
    Ffmpeg,
}

/// The bytes of a picture in a format that is decoded here: what they are, or what a program makes of them.
///
/// # Errors
/// [`NoProgram`], and what the program says of a damaged file.
pub fn readable(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    let format = match Newer::of(bytes) {
        Some(format @ (Newer::Avif | Newer::Heic)) => format,
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    let Some((program, asked)) = program(format) else { return Err(NoProgram { format: format.name() }.into()) };
    converted(bytes, format, &program, asked).map(Cow::Owned)
}

fn program(format: Newer) -> Option<(PathBuf, Asked)> {
    let known = [
        ("heif-dec", Asked::Libheif),
        ("heif-convert", Asked::Libheif),
        ("sips", Asked::Sips),
        // Of HEIC it would give one tile of many.
        ("ffmpeg", Asked::Ffmpeg),
    ];
    let reads = |asked| format == Newer::Avif || !matches!(asked, Asked::Ffmpeg);
    known.into_iter().filter(|(_, asked)| reads(*asked)).find_map(|(name, asked)| Some((find(name)?, asked)))
}

fn converted(bytes: &[u8], format: Newer, program: &Path, asked: Asked) -> Result<Vec<u8>> {
    // In a folder of its own, under a name of ours: what the file is called is no matter to another program.
    let folder = tempfile::tempdir().context("no room for a picture that is converted")?;
    let (from, to) =
        (folder.path().join(format!("picture.{}", format.name().to_lowercase())), folder.path().join("made.jpg"));
    fs::write(&from, bytes).context("no room for a picture that is converted")?;
    let mut command = Command::new(program);
    match asked {
        Asked::Libheif => command.args(["-q", JPEG_QUALITY]).arg(&from).arg(&to),
        Asked::Sips => {
            command.args(["-s", "format", "jpeg", "-s", "formatOptions", JPEG_QUALITY]).arg(&from).arg("--out").arg(&to)
        }
        Asked::Ffmpeg => {
            command.args(["-v", "error", "-nostdin", "-protocol_whitelist", "file", "-i"]).arg(&from);
            command.args(["-frames:v", "1", "-f", "image2pipe", "-c:v", "bmp", "-"])
        }
    };
    let printed = output(command)?;
    if matches!(asked, Asked::Ffmpeg) {
        return Some(printed).filter(|bytes| !bytes.is_empty()).ok_or_else(|| anyhow!("it holds no picture"));
    }
    // Of several pictures in one file, each is written under a number.
    let made = fs::read(&to).or_else(|_| fs::read(folder.path().join("made-1.jpg")));
    let name = program.file_stem().unwrap_or_default();
    let made = made.map_err(|_| anyhow!("it holds no picture that {} could read", name.display()))?;
    Ok(if matches!(asked, Asked::Libheif) { without_exif(made) } else { made })
}

/// A JPEG file without its Exif block: libheif has turned the picture, and up to 1.15 the block still says how.
fn without_exif(mut jpeg: Vec<u8>) -> Vec<u8> {
    let mut at = 2;
    // Segments of a marker and a length, up to the first scan.
    while let Some([0xFF, marker, high, low]) = jpeg.get(at..).and_then(|rest| rest.first_chunk()).copied() {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        match marker {
            0xDA => break,
            0xE1 if jpeg.get(at + 4..).is_some_and(|rest| rest.starts_with(b"Exif")) && end <= jpeg.len() => {
                jpeg.drain(at..end);
            }
            _ => at = end,
        }
    }
    jpeg
}
