//! Where vectors are kept and searched: a file here, or a server elsewhere.

use anyhow::Result;

use super::photo::ContentId;

/// What a search found, and how like the query it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Whose vector.
    pub content: ContentId,
    /// Cosine of the two, -1 to 1.
    pub similarity: f32,
}

/// Which vectors a search may find.
#[derive(Clone, Copy, Debug)]
pub enum Among<'a> {
    /// All of them.
    All,
    /// These, in ascending order.
    Only(&'a [ContentId]),
}

/// One model's vectors of a library, each of unit length.
///
/// Methods take `&self`: readers go on while one writer adds.
pub trait VectorStore: Send + Sync + std::fmt::Debug {
    /// Numbers in a vector.
    fn dimensions(&self) -> usize;

    /// Vectors that are kept.
    fn len(&self) -> usize;

    /// Whether none is kept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps vectors, in place of those that are there; when this returns they outlive a kill of the process.
    ///
    /// # Errors
    /// A vector of another length or of no length, a full disk, a server that does not answer.
    fn upsert(&self, vectors: &[(ContentId, Vec<f32>)]) -> Result<()>;

    /// Forgets vectors; those that are not there are no error.
    ///
    /// # Errors
    /// A full disk, a server that does not answer.
    fn delete(&self, contents: &[ContentId]) -> Result<()>;

    /// The vector of a photograph.
    ///
    /// # Errors
    /// A server that does not answer.
    fn vector(&self, content: ContentId) -> Result<Option<Vec<f32>>>;

    /// Which of these have a vector, in ascending order.
    ///
    /// # Errors
    /// A server that does not answer.
    fn contents(&self) -> Result<Vec<ContentId>>;

    /// The `top` most similar, the best first, those equally similar by content; all of them where `top` is `usize::MAX`.
    ///
    /// # Errors
    /// A query of another length, a server that does not answer.
    fn search(&self, query: &[f32], top: usize, among: Among<'_>) -> Result<Vec<Scored>>;
}
