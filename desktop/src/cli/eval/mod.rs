//! `medley eval`: one file a task, and what they share.

mod capfilt;
mod caption;
mod dialog;
mod nlvr;
mod results;
mod retrieval;
mod search;
mod vqa;

use anyhow::Result;
use clap::{Args, Subcommand};
use medley::Pipeline;
use medley::data::CaptionExample;
use serde::Serialize;

use super::data::CaptionFiles;
use super::model::{DeviceArguments, ModelArguments};
use super::{ALL_GOOD, STOPPED, interrupt, print};

/// What to score.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Captions against reference captions: BLEU, ROUGE-L and CIDEr
    Caption(caption::Arguments),
    /// Finding the texts of pictures (TR) and the pictures of texts (IR) within the set: recall among the first 1, 5, 10
    Retrieval(retrieval::Arguments),
    /// Finding the pictures of texts as `medley search` does: recall by order, and how true its probabilities are
    Search(search::Arguments),
    /// Answers to questions against those of people: the official accuracy of VQA
    Vqa(vqa::Arguments),
    /// Statements about two pictures: accuracy and consistency of NLVR2
    #[command(after_help = nlvr::EXAMPLES)]
    Nlvr(nlvr::Arguments),
    /// Answers in dialogs about pictures: MRR, recall, mean rank and NDCG of VisDial
    #[command(after_help = dialog::EXAMPLES)]
    Dialog(dialog::Arguments),
    /// Captions that are right or swapped: how many of each a filter keeps
    Capfilt(capfilt::Arguments),
}

/// Scores a model on a dataset and prints the result.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    match arguments.task {
        Task::Caption(arguments) => caption::run(arguments).await,
        Task::Retrieval(arguments) => retrieval::run(arguments).await,
        Task::Search(arguments) => search::run(arguments).await,
        Task::Vqa(arguments) => vqa::run(arguments).await,
        Task::Nlvr(arguments) => nlvr::run(arguments).await,
        Task::Dialog(arguments) => dialog::run(arguments).await,
        Task::Capfilt(arguments) => capfilt::run(arguments).await,
    }
}

/// Which model is scored, and how the scores are shown.
#[derive(Args)]
struct ScoreArguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

impl ScoreArguments {
    /// The model on its device.
    async fn open(&self) -> Result<Pipeline> {
        let device = self.device.open().await?;
        self.model.load(&device)
    }

    /// Prints the scores as one JSON object, or as `table` does.
    fn show(&self, scores: &impl Serialize, table: impl FnOnce()) -> Result<u8> {
        match self.json {
            true => print(&serde_json::to_value(scores)?),
            false => table(),
        }
        Ok(if interrupt::flow().is_break() { STOPPED } else { ALL_GOOD })
    }
}

/// Those of the examples that were done before someone stopped it, which is said; with none it ends here.
fn done<E>(examples: &[E], done: usize) -> Result<&[E]> {
    if done == 0 && !examples.is_empty() {
        return Err(medley::Error::Cancelled.into());
    }
    if done < examples.len() {
        eprintln!("medley: stopped after {done} of {}: what follows is of those", examples.len());
    }
    Ok(&examples[..done])
}

/// Captioned pictures to score on.
#[derive(Args)]
struct CaptionData {
    #[command(flatten)]
    files: CaptionFiles,
    /// Split to score
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
}

impl CaptionData {
    fn read(&self) -> Result<Vec<CaptionExample>> {
        Ok(self.files.read(self.split.as_deref())?.examples)
    }

    /// Another split of the same data.
    fn read_split(&self, split: &str) -> Result<Vec<CaptionExample>> {
        Ok(self.files.read(Some(split))?.examples)
    }
}
