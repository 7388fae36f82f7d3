//! What goes on beside the window: threads that read, search, ask the model and write, and tell of it by messages.

pub mod asking;
pub mod captioning;
pub mod clerk;
pub mod copying;
pub mod folders;
pub mod indexing;
pub mod opening;
pub mod post;
pub mod search;
pub mod thumbnails;
pub mod trash;
