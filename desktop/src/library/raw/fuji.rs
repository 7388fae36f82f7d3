//! Fujifilm's RAF: a header of fixed places, one of which says where a whole JPEG file lies.

const MAGIC: &[u8] = b"FUJIFILMCCD-RAW ";
/// Where the picture's place and length stand, four bytes each, the highest first.
const PLACE: usize = 84;

/// The JPEG file within; none for a file of another kind.
pub fn preview(bytes: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    let picture = bytes.starts_with(MAGIC).then(|| bytes.get(number(PLACE)?..)?.get(..number(PLACE + 4)?)).flatten()?;
    picture.starts_with(&[0xFF, 0xD8]).then_some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_lies_where_the_header_says() {
        let mut bytes = [MAGIC, &[0; PLACE - MAGIC.len()]].concat();
        let picture = [0xFF, 0xD8, 1, 2, 3];
        bytes.extend(100_u32.to_be_bytes());
        bytes.extend((picture.len() as u32).to_be_bytes());
        bytes.resize(100, 0);
        bytes.extend(picture);
        bytes.extend([9; 20]);
        assert_eq!(preview(&bytes), Some(&picture[..]));
        for end in 0..104 {
            assert_eq!(preview(&bytes[..end]), None, "cut at {end}");
        }
    }
}
