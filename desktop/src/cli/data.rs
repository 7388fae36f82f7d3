//! Which dataset: the options that learning from one and scoring on one share.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use medley::Progress;
use medley::data::{
    CaptionSet, DialogSet, Listing, QuestionSet, StatementSet, read_dialogs, read_questions, read_statements,
};

use super::progress::Bar;

/// Share of the pictures that training holds out to score on, where the data has no splits.
pub const HELD_OUT: f64 = 0.1;

/// Captioned pictures.
#[derive(Args)]
pub struct CaptionFiles {
    /// Karpathy-split JSON, COCO captions JSON, BLIP pair or url JSON, metadata.jsonl, a folder of pictures with .txt
    /// files, or tar shards such as '{000000..000123}.tar'
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to; of urls: where they were downloaded to, called by their
    /// last part or their SHA-256
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

/// Questions about pictures.
#[derive(Args)]
pub struct QuestionFiles {
    /// VQA v2's questions JSON, BLIP's list of image, question and answer, or COCO-QA
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// VQA v2's annotations JSON, which holds the answers
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
    /// Folder with the pictures
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

/// Statements about two pictures.
#[derive(Args)]
pub struct StatementFiles {
    /// NLVR2's JSON lines, or BLIP's list of images, sentence and label
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Folder with the pictures, or with a folder of them for each split
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

/// Dialogs about pictures.
#[derive(Args)]
pub struct DialogFiles {
    /// VisDial 1.0's JSON
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Folder with the pictures, or with folders of them
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

impl CaptionFiles {
    /// The pictures of a split, or all.
    pub fn read(&self, split: Option<&str>) -> Result<CaptionSet> {
        self.read_from(&self.list()?, split)
    }

    /// What the data describes, for several splits of it.
    pub fn list(&self) -> Result<Listing> {
        Ok(Listing::read(&self.data)?)
    }

    /// The pictures of a split of it, or all.
    pub fn read_from(&self, listing: &Listing, split: Option<&str>) -> Result<CaptionSet> {
        let set = listing.captions(self.images.as_deref(), split)?;
        warn(&set.warnings);
        Ok(set)
    }
}

impl QuestionFiles {
    /// The questions, to learn from.
    pub fn read_answered(&self) -> Result<QuestionSet> {
        read_answered(&self.data, self.annotations.as_deref(), self.images.as_deref())
    }

    /// Further questions about pictures in the same folder, to learn from.
    pub fn read_more(&self, data: &Path) -> Result<QuestionSet> {
        read_answered(data, None, self.images.as_deref())
    }

    /// The questions.
    pub fn read(&self) -> Result<QuestionSet> {
        self.read_also(&self.data, self.annotations.as_deref())
    }

    /// Questions of another file about pictures in the same folder.
    pub fn read_also(&self, data: &Path, annotations: Option<&Path>) -> Result<QuestionSet> {
        let set = read_questions(data, annotations, self.images.as_deref())?;
        warn(&set.warnings);
        Ok(set)
    }
}

/// Questions to learn from: refused where none has an answer.
pub fn read_answered(data: &Path, annotations: Option<&Path>, images: Option<&Path>) -> Result<QuestionSet> {
    let set = read_questions(data, annotations, images)?;
    warn(&set.warnings);
    if set.examples.iter().all(|example| example.answers.is_empty()) {
        let data = data.display();
        bail!(
            "{data} has no answers to learn from; VQA v2 keeps them in a file of their own: name it with --annotations"
        );
    }
    Ok(set)
}

impl StatementFiles {
    /// The statements.
    pub fn read(&self) -> Result<StatementSet> {
        self.read_also(&self.data)
    }

    /// Statements of another file about pictures in the same folder.
    pub fn read_also(&self, data: &Path) -> Result<StatementSet> {
        let set = read_statements(data, self.images.as_deref())?;
        warn(&set.warnings);
        Ok(set)
    }

    /// The file with the statements.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

impl DialogFiles {
    /// The dialogs, with their dense annotations.
    pub fn read(&self, dense: Option<&Path>) -> Result<DialogSet> {
        self.read_also(&self.data, dense)
    }

    /// Dialogs of another file about pictures in the same folder.
    pub fn read_also(&self, data: &Path, dense: Option<&Path>) -> Result<DialogSet> {
        // The training set takes several seconds.
        let mut bar = Bar::new();
        let _ = bar.report(Progress::Items { stage: "reading dialogs", done: 0, total: 1 });
        let set = read_dialogs(data, dense, self.images.as_deref());
        bar.clear();
        let set = set?;
        warn(&set.warnings);
        Ok(set)
    }

    /// The file with the dialogs.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

/// Shows what was left out of a dataset.
pub fn warn(warnings: &[String]) {
    warnings.iter().for_each(|warning| eprintln!("medley: {warning}"));
}
