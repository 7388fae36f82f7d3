//! Writing WebDataset: samples into tar shards of a bounded number each.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// Shards in the making, named `000000.tar` and so on.
///
/// A sample is a picture, its captions as `.txt`, one a line, and what else is known of it as `.json`, the captions
/// once more among it. The same samples always make the same bytes.
pub struct ShardWriter {
    folder: PathBuf,
    samples_per_shard: usize,
    samples: usize,
    open: Option<tar::Builder<BufWriter<File>>>,
}

impl ShardWriter {
    /// Makes the folder, or writes beside what is there and over shards of the same names.
    ///
    /// # Errors
    /// [`Error::Option`] for shards of no sample, [`Error::Write`].
    pub fn create(folder: &Path, samples_per_shard: usize) -> Result<Self> {
        if samples_per_shard == 0 {
            return Err(Error::Option { option: "samples per shard", reason: "must be at least 1".into() });
        }
        fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.into(), source })?;
        Ok(Self { folder: folder.into(), samples_per_shard, samples: 0, open: None })
    }

    /// Adds a sample: the picture's bytes as they are, and the fields of its JSON.
    ///
    /// # Errors
    /// [`Error::UnknownImage`] where the bytes are no picture, and nothing was written; [`Error::Write`].
    pub fn add(&mut self, picture: &[u8], captions: &[String], about: Map<String, Value>) -> Result<()> {
        let format = image::guess_format(picture).map_err(|_| Error::UnknownImage)?;
        let ending = format.extensions_str().first().ok_or(Error::UnknownImage)?;
        if self.samples.is_multiple_of(self.samples_per_shard) {
            self.close()?;
            let file = File::create(self.partial()).map_err(|source| self.unwritten(source))?;
            self.open = Some(tar::Builder::new(BufWriter::new(file)));
        }
        // A caption is a line of the text.
        let lines: String =
            captions.iter().map(|caption| format!("{}\n", caption.replace(['\n', '\r'], " "))).collect();
        let mut about = about;
        about.insert("caption".to_owned(), json!(captions));
        let key = format!("{:09}", self.samples);
        let about = Value::Object(about).to_string();
        let files = [(*ending, picture), ("txt", lines.as_bytes()), ("json", about.as_bytes())];
        for (ending, bytes) in files {
            self.append(&format!("{key}.{ending}"), bytes).map_err(|source| self.unwritten(source))?;
        }
        self.samples += 1;
        Ok(())
    }

    /// Ends the last shard; says how many samples and shards there are.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<(usize, usize)> {
        self.close()?;
        Ok((self.samples, self.samples.div_ceil(self.samples_per_shard)))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let Some(shard) = &mut self.open else { return Ok(()) };
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        shard.append_data(&mut header, name, bytes)
    }

    /// Ends the shard that is open and gives it its name: under that a shard is whole.
    fn close(&mut self) -> Result<()> {
        let Some(shard) = self.open.take() else { return Ok(()) };
        // It holds the sample before the one that comes.
        let name = format!("{:06}.tar", (self.samples - 1) / self.samples_per_shard);
        let write = || {
            let mut file = shard.into_inner()?;
            file.flush()?;
            file.get_ref().sync_all()?;
            fs::rename(self.partial(), self.folder.join(&name))
        };
        write().map_err(|source| self.unwritten(source))
    }

    fn partial(&self) -> PathBuf {
        self.folder.join("shard.partial")
    }

    fn unwritten(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.folder.clone(), source }
    }
}
