//! Small pictures on the disk, one for each content.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image_hasher::{HashAlg, Hasher, HasherConfig};
use medley::preprocess::resize;
use tempfile::NamedTempFile;

use super::photo::{Kind, Photo};
use super::{Catalog, decode, plain, video};

/// The longer side of a thumbnail.
pub const SIDE_PX: u32 = 512;

/// JPEG's quality, 1 to 100.
const QUALITY: u8 = 85;

/// The folder of thumbnails.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    folder: PathBuf,
    /// Whether new ones are kept.
    are_kept: bool,
}

impl Thumbnails {
    pub(super) fn new(folder: PathBuf, are_kept: bool) -> Self {
        Self { folder, are_kept }
    }

    /// Where the thumbnail of a content lies, by the hash of its bytes; it may not be there yet.
    pub fn path(&self, hash: &[u8]) -> PathBuf {
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let shelf = name.get(..2).unwrap_or("00");
        self.folder.join(shelf).join(format!("{name}.jpg"))
    }

    /// The thumbnail of a file; made where there is none, and kept if the file was read before.
    ///
    /// # Errors
    /// A file that cannot be read or decoded.
    pub fn load(&self, catalog: &Catalog, photo: &Photo) -> Result<RgbImage> {
        let hash = catalog.hash(photo.content)?;
        // A thumbnail that is damaged is made again.
        let kept = hash.as_ref().and_then(|hash| fs::read(self.path(hash)).ok());
        if let Some(kept) = kept.and_then(|bytes| image::load_from_memory(&bytes).ok()) {
            return Ok(kept.into_rgb8());
        }
        let picture = match photo.kind {
            Kind::Photo => decode::reduced(&photo.path, SIDE_PX)?,
            Kind::Video => video::middle_frame(&photo.path).with_context(|| photo.path.display().to_string())?,
        };
        let small = small(&picture);
        if let Some(hash) = hash {
            // The picture is there to be seen even if the disk is full; and a file that was changed since it was
            // indexed must not be kept under its old hash.
            let is_unchanged = fs::metadata(&photo.path).is_ok_and(|about| about.len() == photo.size_bytes);
            let _ = (self.are_kept && is_unchanged).then(|| self.keep(&hash, &small));
        }
        Ok(small)
    }

    /// Keeps a thumbnail: written beside its name and renamed, so that nobody sees half of one.
    pub(super) fn keep(&self, hash: &[u8], small: &RgbImage) -> Result<()> {
        let path = self.path(hash);
        let folder = path.parent().unwrap_or(&self.folder);
        let mut bytes = Vec::with_capacity(64 << 10);
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(small)?;
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(&bytes)?;
            file.persist(&path).map(|_| ()).map_err(|error| error.error)
        };
        write().map_err(|error| anyhow!("could not write {}: {}", path.display(), plain(&error)))
    }

    /// Takes a thumbnail away.
    pub(super) fn remove(&self, hash: &[u8]) {
        // One that is not there or cannot be removed takes a little room.
        let _ = fs::remove_file(self.path(hash));
    }

    /// The folder they lie in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A picture of at most [`SIDE_PX`] a side.
pub(super) fn small(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer <= SIDE_PX {
        return picture.clone();
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(SIDE_PX);
        ((side + u64::from(longer) / 2) / u64::from(longer)).max(1) as u32
    };
    resize(picture, scaled(width), scaled(height))
}

/// Makes 64 bits of a picture that a smaller, recompressed or slightly brighter copy nearly shares.
pub(super) struct Perceptual(Hasher<[u8; 8]>);

impl Perceptual {
    pub fn new() -> Self {
        Self(HasherConfig::with_bytes_type::<[u8; 8]>().hash_size(8, 8).hash_alg(HashAlg::Gradient).to_hasher())
    }

    pub fn hash(&self, picture: &RgbImage) -> u64 {
        let hash = self.0.hash_image(picture);
        hash.as_bytes().iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
    }
}
