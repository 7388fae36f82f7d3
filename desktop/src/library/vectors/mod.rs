//! Vectors in a file of their own.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Result;

use super::photo::ContentId;
use super::store::{Among, Scored, VectorStore};

/// A log of vectors that is read whole; stands in for the memory-mapped one.
#[derive(Debug)]
pub struct FlatStore {
    dimensions: usize,
    inner: Mutex<(File, BTreeMap<ContentId, Vec<f32>>)>,
}

impl FlatStore {
    /// Opens the vectors in a folder.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn open(folder: &Path, dimensions: usize) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join("log");
        let bytes = fs::read(&path).unwrap_or_default();
        let mut vectors = BTreeMap::new();
        for record in bytes.chunks_exact(9 + 4 * dimensions) {
            let content = ContentId::from_le_bytes(*record[1..].first_chunk().expect("is long enough"));
            if record[0] == 0 {
                vectors.remove(&content);
                continue;
            }
            let numbers =
                record[9..].chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
            vectors.insert(content, numbers.collect());
        }
        let whole = bytes.len() / (9 + 4 * dimensions) * (9 + 4 * dimensions);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        Ok(Self { dimensions, inner: Mutex::new((file, vectors)) })
    }
}

impl VectorStore for FlatStore {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn len(&self) -> usize {
        self.inner.lock().expect("sound").1.len()
    }

    fn upsert(&self, vectors: &[(ContentId, Vec<f32>)]) -> Result<()> {
        let mut inner = self.inner.lock().expect("sound");
        let mut bytes = Vec::new();
        for (content, vector) in vectors {
            bytes.push(1);
            bytes.extend(content.to_le_bytes());
            vector.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        }
        inner.0.write_all(&bytes)?;
        inner.0.sync_data()?;
        inner.1.extend(vectors.iter().cloned());
        Ok(())
    }

    fn delete(&self, contents: &[ContentId]) -> Result<()> {
        let mut inner = self.inner.lock().expect("sound");
        for content in contents {
            let mut bytes = vec![0; 9 + 4 * self.dimensions];
            bytes[1..9].copy_from_slice(&content.to_le_bytes());
            inner.0.write_all(&bytes)?;
            inner.1.remove(content);
        }
        Ok(())
    }

    fn vector(&self, content: ContentId) -> Result<Option<Vec<f32>>> {
        Ok(self.inner.lock().expect("sound").1.get(&content).cloned())
    }

    fn contents(&self) -> Result<Vec<ContentId>> {
        Ok(self.inner.lock().expect("sound").1.keys().copied().collect())
    }

    fn search(&self, query: &[f32], top: usize, _among: Among<'_>) -> Result<Vec<Scored>> {
        let inner = self.inner.lock().expect("sound");
        let score = |vector: &Vec<f32>| vector.iter().zip(query).map(|(one, other)| one * other).sum();
        let mut found: Vec<Scored> =
            inner.1.iter().map(|(content, vector)| Scored { content: *content, similarity: score(vector) }).collect();
        found.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
        found.truncate(top);
        Ok(found)
    }
}
