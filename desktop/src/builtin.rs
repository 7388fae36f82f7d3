//! The model that travels with the program.

use medley::checkpoint::Weights;

/// What the model is called on screen and on the command line.
pub const NAME: &str = "built-in";

/// The file.
pub static BYTES: &[u8] = include_bytes!("../../assets/medley-tiny.safetensors");

/// Opens the built-in model's weights; see `assets/README.md` for what it was trained on.
///
/// # Errors
/// None, unless the program file itself is damaged.
pub fn weights() -> medley::Result<Weights> {
    Weights::from_static(NAME, BYTES)
}
