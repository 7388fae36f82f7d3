//! A few frames of a film, by the `ffmpeg` that is installed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use image::RgbImage;
use serde_json::Value;

use super::metadata::written;
use super::program::{self, output};

/// Frames whose features together stand for a film.
pub const FRAMES: usize = 8;

/// The longer side of a frame.
const SIDE_PX: u32 = 1024;

/// The two programs.
#[derive(Clone, Debug)]
pub struct Tools {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
}

/// What is shown of a film.
#[derive(Clone, Debug)]
pub struct Film {
    /// Evenly spaced, in order, at least one.
    pub frames: Vec<RgbImage>,
    /// Upright width of the film in pixels.
    pub width: u32,
    /// Upright height of the film in pixels.
    pub height: u32,
    /// When it was taken, such as `2024-06-30T17:05:09`.
    pub taken: Option<String>,
}

/// What a film's header says.
struct About {
    seconds: f64,
    width: u32,
    height: u32,
    taken: Option<String>,
}

impl Tools {
    /// The programs as the shell would find them.
    ///
    /// # Errors
    /// A machine without them.
    pub fn find() -> Result<Self> {
        let tools = program::find("ffmpeg").zip(program::find("ffprobe"));
        let tools = tools.map(|(ffmpeg, ffprobe)| Self { ffmpeg, ffprobe });
        tools
            .ok_or_else(|| anyhow!("films are read by ffmpeg, which is not installed here: install it and index again"))
    }

    /// Frames of a film, each from the middle of one of `count` equal parts.
    ///
    /// # Errors
    /// A file that is no film, or that the programs cannot read.
    pub fn film(&self, path: &Path, count: usize) -> Result<Film> {
        let About { seconds, width, height, taken } = self.about(path)?;
        // Without a length, only the beginning is sure to be there.
        let count = if seconds > 0.0 { count } else { 1 };
        let times = (0..count).map(|nth| seconds * (nth as f64 + 0.5) / count as f64);
        let mut frames = Vec::with_capacity(count);
        let mut last = None;
        for time in times {
            match self.frame(path, time) {
                Ok(frame) => frames.push(frame),
                // The length in the header may be longer than the film.
                Err(error) => last = Some(error),
            }
        }
        if frames.is_empty() {
            frames.push(self.frame(path, 0.0).map_err(|error| last.unwrap_or(error))?);
        }
        let upright = frames[0].dimensions();
        let (width, height) = match (upright.0 < upright.1) == (width < height) {
            true => (width, height),
            false => (height, width),
        };
        Ok(Film { frames, width, height, taken })
    }

    fn about(&self, path: &Path) -> Result<About> {
        let entries = "format=duration:format_tags=creation_time:stream=width,height,duration";
        let asked = ["-show_entries", entries, "-select_streams", "v:0", "-of", "json"];
        let said = run(&self.ffprobe, asked.map(OsStr::new), path)?;
        let said: Value = serde_json::from_slice(&said).context("ffprobe said nothing about it")?;
        let stream = &said["streams"][0];
        let pixels = |side: &str| stream[side].as_u64().and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
        let seconds = [&said["format"]["duration"], &stream["duration"]].into_iter().find_map(|seconds| {
            seconds.as_str()?.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        });
        if stream.is_null() {
            bail!("it holds no moving picture");
        }
        let taken = said["format"]["tags"]["creation_time"].as_str().and_then(|time| {
            // Films are dated in UTC, photographs in the camera's time.
            let time: jiff::Timestamp = time.parse().ok()?;
            // Cameras whose clock was never set write the year 1904 or 1970.
            i64::try_from(time.as_nanosecond()).ok().filter(|nanoseconds| *nanoseconds > 0).map(written)
        });
        Ok(About { seconds: seconds.unwrap_or(0.0), width: pixels("width"), height: pixels("height"), taken })
    }

    fn frame(&self, path: &Path, seconds: f64) -> Result<RgbImage> {
        let at = format!("{seconds:.3}");
        let scale = format!("scale='min({SIDE_PX},iw)':'min({SIDE_PX},ih)':force_original_aspect_ratio=decrease");
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-protocol_whitelist", "file", "-ss", &at, "-i"]);
        command.arg(path).args(["-frames:v", "1", "-an", "-sn", "-vf", &scale, "-f", "image2pipe", "-c:v", "bmp", "-"]);
        let bytes = output(command)?;
        if bytes.is_empty() {
            bail!("it has no picture at {at} seconds");
        }
        Ok(image::load_from_memory(&bytes).context("ffmpeg gave no picture")?.into_rgb8())
    }
}

/// The frame in the middle of a film.
///
/// # Errors
/// As [`Tools::find`] and [`Tools::film`].
pub fn middle_frame(path: &Path) -> Result<RgbImage> {
    let mut film = Tools::find()?.film(path, 1)?;
    film.frames.pop().ok_or_else(|| anyhow!("it has no frames"))
}

fn run<const COUNT: usize>(program: &Path, arguments: [&OsStr; COUNT], path: &Path) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    // A list of addresses that calls itself a film is not followed.
    command.args(["-v", "error", "-protocol_whitelist", "file"]).args(arguments).arg("-i").arg(path);
    output(command)
}
