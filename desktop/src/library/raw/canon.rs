//! Canon's CR3: boxes as in a film (ISO 14496-12), whose data begins with a JPEG picture of full size, and whose
//! header holds what the camera wrote as a TIFF file of its own (`CMT1`).

/// Canon's own box in the header.
const CANON: &[u8] = b"\x85\xC0\xB6\x87\x82\x0F\x11\xE0\x81\x11\xF4\xCE\x46\x2B\x6A\x48";

/// The picture and whatever data follow it; none for a file of another kind.
pub fn preview(bytes: &[u8]) -> Option<&[u8]> {
    let data = find(whole(bytes)?, b"mdat")?;
    data.starts_with(&[0xFF, 0xD8]).then_some(data)
}

/// Camera, date and way up, as a TIFF file; none for a file of another kind.
pub fn description(bytes: &[u8]) -> Option<&[u8]> {
    let header = find(whole(bytes)?, b"moov")?;
    let mut own = boxes(header).filter(|(kind, _)| kind == b"uuid");
    own.find_map(|(_, content)| find(content.strip_prefix(CANON)?, b"CMT1"))
}

fn whole(bytes: &[u8]) -> Option<&[u8]> {
    (bytes.get(4..12)? == b"ftypcrx ").then_some(bytes)
}

fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == kind).map(|(_, content)| content)
}

/// The kind and the content of every box, one after the other; of one that is cut, what is there.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (length, header, content) = match u32::from_be_bytes(*length) {
            0 => (bytes.len() as u64, 8, rest),
            1 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*length), 16, rest)
            }
            length => (u64::from(length), 8, rest),
        };
        let length = usize::try_from(length.checked_sub(header)?).unwrap_or(usize::MAX).min(content.len());
        let (content, after) = content.split_at(length);
        bytes = after;
        Some((*kind, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(8 + content.len() as u32).to_be_bytes()[..], kind, content].concat()
    }

    /// The boxes of a file of the EOS M50, as they are published, with data of ten bytes.
    fn raw() -> Vec<u8> {
        let own = [CANON, &boxed(b"CNCV", b"CanonCR3_001"), &boxed(b"CMT1", b"II*\0\x08\0\0\0")].concat();
        let header = [boxed(b"uuid", &own), boxed(b"mvhd", &[0; 100])].concat();
        let data = [0xFF, 0xD8, 1, 2, 3, 4, 5, 6, 7, 8];
        let long = [&1_u32.to_be_bytes()[..], b"mdat", &(16 + data.len() as u64).to_be_bytes(), &data].concat();
        [boxed(b"ftyp", b"crx \0\0\0\x01crx isom"), boxed(b"moov", &header), boxed(b"uuid", &[1; 40]), long].concat()
    }

    #[test]
    fn picture_and_description_are_found() {
        let bytes = raw();
        assert_eq!(preview(&bytes), Some(&[0xFF, 0xD8, 1, 2, 3, 4, 5, 6, 7, 8][..]));
        assert_eq!(description(&bytes), Some(&b"II*\0\x08\0\0\0"[..]));
    }

    #[test]
    fn a_film_is_none() {
        let bytes = [boxed(b"ftyp", b"isom\0\0\0\x01"), boxed(b"mdat", &[0xFF, 0xD8])].concat();
        assert_eq!((preview(&bytes), description(&bytes)), (None, None));
    }

    #[test]
    fn a_file_cut_anywhere_or_with_lengths_that_are_none_is_no_panic() {
        let bytes = raw();
        for end in 0..bytes.len() {
            let _ = (preview(&bytes[..end]), description(&bytes[..end]));
        }
        for length in 0..8_u32 {
            assert_eq!(preview(&[&length.to_be_bytes()[..], b"ftypcrx "].concat()), None);
        }
    }
}
