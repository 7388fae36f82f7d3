//! Where vectors are kept and searched: a file here, or a server elsewhere.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};

use super::photo::ContentId;
use super::vectors::FlatStore;

/// Where vectors are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In the library's folder.
    #[default]
    Folder,
    /// On a Qdrant server, at an address such as `localhost:6333`.
    Qdrant(String),
}

impl Place {
    /// Whether this program can keep vectors there.
    ///
    /// # Errors
    /// A server, where it was built without.
    pub fn check(&self) -> Result<()> {
        if cfg!(feature = "qdrant") || *self == Self::Folder { Ok(()) } else { Err(self.without()) }
    }

    fn without(&self) -> anyhow::Error {
        anyhow!(
            "this program cannot use {self}: build it with `--features medley-desktop/qdrant`, or keep vectors in the \
             library with --store folder"
        )
    }
}

impl fmt::Display for Place {
    /// As it is read.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => formatter.write_str("folder"),
            Self::Qdrant(address) => write!(formatter, "qdrant://{address}"),
        }
    }
}

impl FromStr for Place {
    type Err = anyhow::Error;

    /// Reads `folder` or `qdrant://host:port`.
    fn from_str(text: &str) -> Result<Self> {
        if text == "folder" {
            return Ok(Self::Folder);
        }
        let Some(address) = text.strip_prefix("qdrant://") else {
            bail!("{text} is no place for vectors: say `folder` or `qdrant://host:port`");
        };
        let address = address.trim_end_matches('/');
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        let is_plain = !address.contains(|letter: char| letter.is_whitespace() || "/@?#".contains(letter));
        if !is_plain || !matches!(port, Some(Ok(1..))) {
            bail!("{text} is no server: say where it listens, as in qdrant://localhost:6333");
        }
        Ok(Self::Qdrant(address.to_owned()))
    }
}

/// Opens a model's vectors: in a folder of its own, or on a server in a collection named by the model's `key`.
///
/// # Errors
/// A folder that cannot be read, a server that does not answer or that this program was built without, vectors of
/// another length.
pub fn open(place: &Place, folder: &Path, key: &str, dimensions: usize) -> Result<Arc<dyn VectorStore>> {
    match place {
        Place::Folder => Ok(Arc::new(FlatStore::open(folder, dimensions)?)),
        #[cfg(feature = "qdrant")]
        Place::Qdrant(address) => {
            Ok(Arc::new(super::qdrant::QdrantStore::open(address, &format!("medley-{key}"), dimensions)?))
        }
        #[cfg(not(feature = "qdrant"))]
        Place::Qdrant(_) => Err(place.without().context(format!("could not open the vectors of {key}"))),
    }
}

/// The length of a vector; `None` where it has none, or has numbers that are none.
pub(super) fn norm(vector: &[f32]) -> Option<f64> {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    (norm > 0.0 && norm.is_finite()).then_some(norm)
}

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
