//! What a file is that was taken for a checkpoint and is none.

/// Bytes from which [`foreign`] can tell.
pub(super) const START_BYTES: usize = 512;

/// What a file is whose beginning is neither of safetensors nor of PyTorch, in words for who named it.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    const PICTURES: [&[u8]; 3] = [b"\xFF\xD8\xFF", b"\x89PNG", b"GIF8"];
    // What a pickle can begin with, which may be letters throughout.
    const PICKLES: [u8; 5] = [0x80, b'(', b'}', b']', b'c'];
    let is_text = || {
        // A letter of several bytes may be cut in two at the end.
        let text = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let rest = start.len() - text.len();
        rest < 4 && !text.contains(|letter: char| letter.is_control() && !letter.is_whitespace())
    };
    if start.starts_with(b"version https://git-lfs") {
        Some("it is a Git LFS pointer, not the file that it points to: fetch that with git lfs pull")
    } else if PICTURES.iter().any(|picture| start.starts_with(picture)) || start.get(8..12) == Some(b"WEBP") {
        Some("it is a picture, not a model")
    } else if start.trim_ascii_start().starts_with(b"<") && is_text() {
        Some("it is a web page: what was to be fetched is not in it")
    } else if start.first().is_some_and(|first| !PICKLES.contains(first)) && is_text() {
        Some("it is a text, not weights")
    } else {
        None
    }
}
