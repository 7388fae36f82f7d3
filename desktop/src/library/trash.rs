//! Photographs to the system's trash, from where people can have them back; nothing is ever deleted.

use anyhow::{Result, anyhow};

use super::Library;
use super::photo::PhotoId;

/// Moves files to the trash and marks them as missing; answers how many that were. What lies beside them stays. A file
/// that comes back from the trash is known again.
///
/// # Errors
/// A file that cannot be moved to the trash, by name: those before it are there already.
pub fn to_trash(library: &Library, photos: &[PhotoId]) -> Result<usize> {
    let mut count = 0;
    for photo in library.catalog().photos(photos)? {
        let shown = photo.path.display();
        trash::delete(&photo.path).map_err(|error| anyhow!("could not move {shown} to the trash: {error}"))?;
        library.catalog().set_missing(&[photo.id], &[])?;
        count += 1;
    }
    Ok(count)
}
