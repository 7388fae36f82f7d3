//! RAW files that are TIFF files: most makers'. Their directories point at one or more JPEG pictures.

use medley::preprocess::dimensions;

/// Directories that are read at most: a damaged file may name any number.
const MOST_DIRECTORIES: usize = 64;

const STRIP_OFFSETS: u16 = 0x111;
const STRIP_LENGTHS: u16 = 0x117;
/// Panasonic's picture, whole in one entry.
const PICTURE: u16 = 0x2E;
const SUB_DIRECTORIES: u16 = 0x14A;
const JPEG_OFFSET: u16 = 0x201;
const JPEG_LENGTH: u16 = 0x202;

/// How Panasonic's files begin, which only this module takes for TIFF files.
const PANASONIC: &[u8] = b"IIU\0";

/// The picture in a file of Panasonic's: a whole JPEG file.
pub fn panasonic(bytes: &[u8]) -> Option<&[u8]> {
    bytes.starts_with(PANASONIC).then(|| preview(bytes)).flatten()
}

/// The largest JPEG picture that the directories point at.
pub fn preview(bytes: &[u8]) -> Option<&[u8]> {
    let tiff = Tiff::open(bytes)?;
    let mut waiting = vec![tiff.long(4)?];
    let mut read = Vec::new();
    let mut best: Option<(u64, &[u8])> = None;
    while let Some(at) = waiting.pop() {
        if read.len() == MOST_DIRECTORIES {
            break;
        }
        if read.contains(&at) {
            continue;
        }
        read.push(at);
        let Some(directory) = tiff.directory(at as usize) else { continue };
        waiting.extend(&directory.sub_directories);
        waiting.extend((directory.next != 0).then_some(directory.next));
        for (offset, length) in [directory.jpeg, directory.strip, directory.picture].into_iter().flatten() {
            let Some(picture) = bytes.get(offset as usize..(offset as usize).checked_add(length as usize)?) else {
                continue;
            };
            // Sensor data may be a JPEG too, of a kind without a picture: its header is not understood.
            let Ok((width, height)) = dimensions(picture) else { continue };
            let pixels = u64::from(width) * u64::from(height);
            if picture.starts_with(&[0xFF, 0xD8]) && best.is_none_or(|(most, _)| pixels > most) {
                best = Some((pixels, picture));
            }
        }
    }
    best.map(|(_, picture)| picture)
}

struct Tiff<'a> {
    bytes: &'a [u8],
    is_little_endian: bool,
}

#[derive(Default)]
struct Directory {
    jpeg: Option<(u32, u32)>,
    strip: Option<(u32, u32)>,
    picture: Option<(u32, u32)>,
    sub_directories: Vec<u32>,
    next: u32,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let is_little_endian = match bytes.get(..4)? {
            [b'I', b'I', 42, 0] => true,
            start if start == PANASONIC => true,
            [b'M', b'M', 0, 42] => false,
            _ => return None,
        };
        Some(Self { bytes, is_little_endian })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn directory(&self, at: usize) -> Option<Directory> {
        let count = usize::from(self.short(at)?);
        let mut directory = Directory { next: self.long(at + 2 + 12 * count).unwrap_or(0), ..Directory::default() };
        let (mut jpeg, mut strip) = ((None, None), (None, None));
        for entry in (0..count).map(|nth| at + 2 + 12 * nth) {
            let values = || self.values(entry).unwrap_or_default();
            let only = || values().first().copied().filter(|_| self.long(entry + 4) == Some(1));
            match self.short(entry)? {
                STRIP_OFFSETS => strip.0 = only(),
                STRIP_LENGTHS => strip.1 = only(),
                JPEG_OFFSET => jpeg.0 = only(),
                JPEG_LENGTH => jpeg.1 = only(),
                // Bytes without a type.
                PICTURE if self.short(entry + 2) == Some(7) => {
                    directory.picture = self.long(entry + 8).zip(self.long(entry + 4));
                }
                SUB_DIRECTORIES => directory.sub_directories = values(),
                _ => {}
            }
        }
        directory.jpeg = jpeg.0.zip(jpeg.1);
        directory.strip = strip.0.zip(strip.1);
        Some(directory)
    }

    /// The whole numbers of an entry.
    fn values(&self, entry: usize) -> Option<Vec<u32>> {
        let (kind, count) = (self.short(entry + 2)?, self.long(entry + 4)? as usize);
        let width = match kind {
            3 => 2,
            4 | 13 => 4,
            _ => return None,
        };
        let count = count.min(MOST_DIRECTORIES);
        let at = if count * width <= 4 { entry + 8 } else { self.long(entry + 8)? as usize };
        (0..count)
            .map(|nth| match width {
                2 => self.short(at + 2 * nth).map(u32::from),
                _ => self.long(at + 4 * nth),
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn jpeg(width: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&image::RgbImage::new(width, 8)).unwrap();
        bytes
    }

    /// A file with a small picture in its first directory and a large one in a directory below that.
    fn raw() -> (Vec<u8>, Vec<u8>) {
        let (small, large) = (jpeg(8), jpeg(64));
        let entry = |tag: u16, value: u32| {
            [&tag.to_le_bytes()[..], &4_u16.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
        };
        let (first, second) = (8, 8 + 2 + 36 + 4);
        let pictures = second + 2 + 24 + 4;
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend(3_u16.to_le_bytes());
        bytes.extend(entry(SUB_DIRECTORIES, second));
        bytes.extend(entry(JPEG_OFFSET, pictures));
        bytes.extend(entry(JPEG_LENGTH, small.len() as u32));
        // A chain that comes back to itself.
        bytes.extend(u32::to_le_bytes(first));
        bytes.extend(2_u16.to_le_bytes());
        bytes.extend(entry(STRIP_OFFSETS, pictures + small.len() as u32));
        bytes.extend(entry(STRIP_LENGTHS, large.len() as u32));
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(&small);
        bytes.extend(&large);
        (bytes, large)
    }

    #[test]
    fn the_largest_picture_of_a_raw_file_is_taken() {
        let (bytes, large) = raw();
        assert_eq!(preview(&bytes), Some(&large[..]));
    }

    #[test]
    fn the_picture_of_panasonic_is_one_entry() {
        let picture = jpeg(16);
        let mut bytes = [PANASONIC, &8_u32.to_le_bytes(), &1_u16.to_le_bytes()].concat();
        bytes.extend([&PICTURE.to_le_bytes()[..], &7_u16.to_le_bytes()].concat());
        bytes.extend((picture.len() as u32).to_le_bytes());
        bytes.extend(26_u32.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(&picture);
        assert_eq!(panasonic(&bytes), Some(&picture[..]));
        bytes[2] = 42;
        assert_eq!(panasonic(&bytes), None);
        assert_eq!(preview(&bytes), Some(&picture[..]));
    }

    #[test]
    fn a_raw_file_cut_anywhere_is_no_panic() {
        let (bytes, _) = raw();
        for end in 0..bytes.len() {
            let _ = preview(&bytes[..end]);
        }
    }
}
