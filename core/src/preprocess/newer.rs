//! Formats that the `image` crate leaves to others: JPEG XL, where the feature `jxl` is on; AVIF and HEIC are named.
//!
//! Of AVIF's decoders in Rust, rav1d ends the whole process where a file is damaged: its functions are those of C.

use image::DynamicImage;

use crate::error::{Error, Result};

/// What begins a JPEG XL file in boxes.
const JPEG_XL_BOX: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
/// What begins a bare JPEG XL stream.
const JPEG_XL_STREAM: &[u8] = &[0xFF, 0x0A];

/// A format that telephones and the web use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newer {
    /// AV1 pictures, of the web.
    Avif,
    /// HEVC pictures, of telephones.
    Heic,
    /// JPEG XL, which this library reads where the feature `jxl` is on.
    JpegXl,
}

impl Newer {
    /// The format by a file's first bytes: the brand of one in boxes (ISO 14496-12), or JPEG XL's own signs.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(JPEG_XL_STREAM) || bytes.starts_with(JPEG_XL_BOX) {
            return Some(Self::JpegXl);
        }
        match (bytes.get(4..8)?, bytes.get(8..12)?) {
            (b"ftyp", b"avif" | b"avis") => Some(Self::Avif),
            (b"ftyp", b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
                Some(Self::Heic)
            }
            _ => None,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avif => "AVIF",
            Self::Heic => "HEIC",
            Self::JpegXl => "JPEG XL",
        }
    }

    fn unread(self) -> Error {
        Error::UnreadFormat { format: self.name() }
    }
}

cfg_select! {
    feature = "jxl" => {
        use super::jxl;

        impl Newer {
            /// The upright picture.
            pub fn decode(self, bytes: &[u8], max_pixels: u64) -> Result<DynamicImage> {
                if self == Self::JpegXl { jxl::decode(bytes, max_pixels) } else { Err(self.unread()) }
            }

            /// Width and height of the upright picture.
            pub fn dimensions(self, bytes: &[u8]) -> Result<(u32, u32)> {
                if self == Self::JpegXl { jxl::dimensions(bytes) } else { Err(self.unread()) }
            }
        }
    }
    _ => {
        impl Newer {
            /// The upright picture.
            pub fn decode(self, _: &[u8], _: u64) -> Result<DynamicImage> {
                Err(self.unread())
            }

            /// Width and height of the upright picture.
            pub fn dimensions(self, _: &[u8]) -> Result<(u32, u32)> {
                Err(self.unread())
            }
        }
    }
}
