//! Files of results in the forms that official tools read.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::output;

/// Where results are written.
#[derive(Args)]
pub struct ResultArguments {
    /// Write what the model says to this file as the task's official evaluation reads it: JSON, or for NLVR2 a line of identifier,prediction each
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "results")]
    overwrite: bool,
}

impl ResultArguments {
    /// Whether there is a file to write; refuses one that may not be, before anything is computed.
    pub fn check(&self) -> Result<bool> {
        let target = self.results.as_ref().map(|path| output::target(path, self.overwrite));
        Ok(target.transpose()?.is_some())
    }

    /// Writes one JSON list, where there is a file to write.
    pub fn write_list(&self, results: impl Iterator<Item = Value>) -> Result<()> {
        match &self.results {
            Some(_) => self.write(&serde_json::to_vec(&results.collect::<Vec<Value>>())?),
            None => Ok(()),
        }
    }

    /// Writes these bytes, where there is a file to write.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        self.results.as_ref().map_or(Ok(()), |path| output::write(path, self.overwrite, bytes))
    }
}

/// A number where the dataset's name for something is one.
pub fn id_value(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id))
}
