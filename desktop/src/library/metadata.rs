//! What the camera and people wrote about a photograph, in it and beside it.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use exif::{Context, Exif, In, Reader, Tag, Value};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use medley::preprocess::exif_of_jpeg_xl;

use super::{raw, xmp};

/// Larger files beside a photograph do not describe it.
const MOST_SIDECAR_BYTES: u64 = 1 << 20;

/// Stars that Windows writes; the library of tags does not name it.
const RATING: Tag = Tag(Context::Tiff, 0x4746);

/// What is known without looking at the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// When it was taken, such as `2024-06-30T17:05:09`.
    pub taken: Option<String>,
    /// Maker and model of the camera.
    pub camera: Option<String>,
    /// The lens.
    pub lens: Option<String>,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    /// Stars, 0 to 5.
    pub rating: Option<u8>,
    /// What a person wrote in a file beside it.
    pub caption: Option<String>,
}

impl Metadata {
    /// What is written in a file's bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut reader = Reader::new();
        reader.continue_on_error(true);
        let read = match exif_of_jpeg_xl(bytes) {
            Some(block) => reader.read_raw(block),
            None => reader.read_from_container(&mut Cursor::new(raw::described_by(bytes).unwrap_or(bytes))),
        };
        // What is damaged is left out; the rest is kept.
        let mut metadata = match read.or_else(|error| error.distill_partial_result(|_| ())) {
            Ok(exif) => Self::of_exif(&exif),
            Err(_) => Self::default(),
        };
        if let Some(packet) = xmp::packet(bytes) {
            let inside = xmp::parse(packet);
            metadata.rating = inside.rating.or(metadata.rating);
            metadata.taken = metadata.taken.or_else(|| inside.taken.and_then(|taken| date(&taken)));
        }
        metadata
    }

    fn of_exif(exif: &Exif) -> Self {
        let text = |tag| exif.get_field(tag, In::PRIMARY).and_then(|field| text(&field.value));
        let taken = [Tag::DateTimeOriginal, Tag::DateTimeDigitized, Tag::DateTime];
        let degrees = |tag, sign, negative: &str| {
            let degrees = exif.get_field(tag, In::PRIMARY).and_then(|field| degrees(&field.value))?;
            Some(if text(sign)?.eq_ignore_ascii_case(negative) { -degrees } else { degrees })
        };
        let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, "S").filter(|degrees| degrees.abs() <= 90.0);
        let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, "W").filter(|degrees| degrees.abs() <= 180.0);
        // Cameras without a fix write nothing but zeros.
        let place = latitude.zip(longitude).filter(|place| *place != (0.0, 0.0));
        let rating = exif.get_field(RATING, In::PRIMARY).and_then(|field| field.value.get_uint(0));
        Self {
            taken: taken.into_iter().find_map(|tag| text(tag).and_then(|written| date(&written))),
            camera: camera(text(Tag::Make), text(Tag::Model)),
            lens: text(Tag::LensModel),
            place,
            rating: rating.and_then(|stars| u8::try_from(stars).ok()).filter(|stars| *stars <= 5),
            caption: None,
        }
    }

    /// Adds what lies beside a file: its XMP overrules what is inside, because people edit there; of texts, that of the
    /// `.txt` counts.
    pub fn add_sidecars(&mut self, path: &Path) {
        for sidecar in sidecars(path) {
            let Some(bytes) = small_file(&sidecar) else { continue };
            if sidecar.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("txt")) {
                let text = String::from_utf8_lossy(&bytes);
                let first =
                    text.lines().map(|line| line.trim_start_matches('\u{feff}').trim()).find(|line| !line.is_empty());
                self.caption = first.map(str::to_owned).or(self.caption.take());
            } else {
                let beside = xmp::parse(&bytes);
                self.rating = beside.rating.or(self.rating);
                self.taken = beside.taken.and_then(|taken| date(&taken)).or(self.taken.take());
                self.caption = beside.description.or(self.caption.take());
            }
        }
    }
}

/// Names of files beside a photograph that may describe it; those that count more come later.
pub fn sidecars(path: &Path) -> [PathBuf; 4] {
    let longer = |ending: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        path.with_file_name(name)
    };
    [path.with_extension("xmp"), longer(".xmp"), path.with_extension("txt"), longer(".txt")]
}

/// When a file was last written, as days and hours where this machine is.
pub fn written(modified_ns: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(modified_ns.into()).unwrap_or_default();
    TimeZone::system().to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn small_file(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let about = std::fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > MOST_SIDECAR_BYTES {
        return None;
    }
    File::open(path).ok()?.take(MOST_SIDECAR_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A day and an hour as cameras write them, `2024:06:30 17:05:09`, or as XMP does, with or without hours.
pub(super) fn date(written: &str) -> Option<String> {
    let mut text: String = written.trim().chars().take(19).collect();
    if text.get(4..5) == Some(":") {
        text = text.replacen(':', "-", 2);
    }
    let text = text.replace(' ', "T");
    // Hours without seconds, as XMP allows.
    let text = if text.len() == 16 || text.get(16..17).is_some_and(|sign| sign != ":") {
        format!("{}:00", text.get(..16)?)
    } else {
        text
    };
    let time: DateTime = match text.len() {
        10 => format!("{text}T00:00:00").parse().ok()?,
        _ => text.parse().ok()?,
    };
    (1800..=9999).contains(&time.year()).then(|| time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// Maker and model, the maker once.
fn camera(maker: Option<String>, model: Option<String>) -> Option<String> {
    let Some(maker) = maker else { return model };
    let Some(model) = model else { return Some(maker) };
    let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_lowercase();
    if first(&maker) == first(&model) { Some(model) } else { Some(format!("{maker} {model}")) }
}

fn text(value: &Value) -> Option<String> {
    let Value::Ascii(parts) = value else { return None };
    let text = String::from_utf8_lossy(parts.first()?)
        .trim_matches(|letter: char| letter == '\0' || letter.is_whitespace())
        .to_owned();
    (!text.is_empty()).then_some(text)
}

fn degrees(value: &Value) -> Option<f64> {
    let Value::Rational(parts) = value else { return None };
    let degrees = parts.iter().zip([1.0, 60.0, 3600.0]).map(|(part, unit)| part.to_f64() / unit).sum::<f64>();
    (degrees.is_finite() && !parts.is_empty()).then_some(degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_cameras_and_as_xmp_write_them() {
        let read = |text: &str| date(text);
        assert_eq!(read("2024:06:30 17:05:09").as_deref(), Some("2024-06-30T17:05:09"));
        assert_eq!(read("2024-06-30T17:05:09.25+02:00").as_deref(), Some("2024-06-30T17:05:09"));
        assert_eq!(read("2024-06-30T17:05").as_deref(), Some("2024-06-30T17:05:00"));
        assert_eq!(read("2024-06-30T17:05+02:00").as_deref(), Some("2024-06-30T17:05:00"));
        assert_eq!(read("2024-06-30").as_deref(), Some("2024-06-30T00:00:00"));
        for nonsense in ["0000:00:00 00:00:00", "2024:13:01 00:00:00", "    :  :     :  :  ", "", "été", "2024"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_maker_is_named_once() {
        let named = |maker: &str, model: &str| camera(Some(maker.to_owned()), Some(model.to_owned()));
        assert_eq!(named("Canon", "Canon EOS 5D").as_deref(), Some("Canon EOS 5D"));
        assert_eq!(named("NIKON CORPORATION", "NIKON D90").as_deref(), Some("NIKON D90"));
        assert_eq!(named("SONY", "ILCE-7M3").as_deref(), Some("SONY ILCE-7M3"));
    }
}
