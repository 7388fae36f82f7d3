//! `medley eval`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use medley::data::{CaptionExample, QuestionExample, read_captions, read_questions};
use medley::eval::vqa_scores;
use medley::{AnswerOptions, Pipeline};
use serde_json::{Value, json};

use super::model::{DeviceArguments, ModelArguments};
use super::progress::Bar;
use super::scores::{answer_all, retrieval_score, score};
use super::{ALL_GOOD, interrupt, print};

/// What to score.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Captions against reference captions: BLEU, ROUGE-L and CIDEr
    Caption(CaptionArguments),
    /// Finding the texts of pictures (TR) and the pictures of texts (IR) within the set: recall among the first 1, 5, 10
    Retrieval(RetrievalArguments),
    /// Answers to questions against those of people: the official accuracy of VQA
    Vqa(VqaArguments),
}

/// What to score on, and with which model.
#[derive(Args)]
struct SetArguments {
    /// Karpathy-split JSON, COCO captions JSON, BLIP pair JSON, metadata.jsonl, or a folder of pictures with .txt files
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Split to score
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

#[derive(Args)]
struct CaptionArguments {
    #[command(flatten)]
    set: SetArguments,
    /// Beginnings that beam search keeps
    #[arg(long, default_value_t = 3)]
    beams: usize,
    /// Pictures in one pass
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Write the captions to this file in the COCO result format
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

#[derive(Args)]
struct RetrievalArguments {
    #[command(flatten)]
    set: SetArguments,
    /// The most similar that are put in order by reading picture and text together: the paper takes 256 on COCO and
    /// 128 on Flickr30k; 0 for similarity alone
    #[arg(long, default_value_t = 128, value_name = "K")]
    k_test: usize,
}

#[derive(Args)]
struct VqaArguments {
    /// VQA v2's questions JSON, BLIP's list of image, question and answer, or COCO-QA
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// VQA v2's annotations JSON, which holds the answers
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
    /// Folder with the pictures
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Choose among the answers of this file, a JSON list or one a line, instead of writing them
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// With --answers: how many are read whole, those whose first token is most probable
    #[arg(long, default_value_t = 128, requires = "answers", value_name = "K")]
    rank_k: usize,
    /// Questions to answer at most; 0 for all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
    /// Write the answers to this file in the official result format
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

/// Scores a model on a dataset and prints the result.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    match arguments.task {
        Task::Caption(arguments) => caption(arguments).await,
        Task::Retrieval(arguments) => retrieval(arguments).await,
        Task::Vqa(arguments) => vqa(arguments).await,
    }
}

impl SetArguments {
    async fn open(&self) -> Result<(Vec<CaptionExample>, Pipeline)> {
        let set = read_captions(&self.data, self.images.as_deref(), self.split.as_deref())?;
        for warning in &set.warnings {
            eprintln!("medley: {warning}");
        }
        let device = self.device.open().await?;
        Ok((set.examples, self.model.load(&device)?))
    }
}

async fn caption(arguments: CaptionArguments) -> Result<u8> {
    let (examples, pipeline) = arguments.set.open().await?;
    let mut bar = Bar::new();
    let scored = score(&pipeline, &examples, arguments.beams, arguments.batch, &mut bar).await?;
    if let Some(path) = &arguments.results {
        let results: Vec<_> = examples
            .iter()
            .zip(&scored.captions)
            .map(|(example, caption)| json!({ "image_id": id_value(&example.id), "caption": caption }))
            .collect();
        write_results(path, &results)?;
    }
    let scores = scored.scores;
    if arguments.set.json {
        print(&serde_json::to_value(scores)?);
        return Ok(ALL_GOOD);
    }
    print(&format_args!("images   {}", scores.images));
    for (order, bleu) in (1..).zip(scores.bleu) {
        print(&format_args!("BLEU-{order}   {:.1}", 100.0 * bleu));
    }
    print(&format_args!("ROUGE-L  {:.1}", 100.0 * scores.rouge_l));
    print(&format_args!("CIDEr    {:.1}", 100.0 * scores.cider));
    Ok(ALL_GOOD)
}

async fn retrieval(arguments: RetrievalArguments) -> Result<u8> {
    let (examples, pipeline) = arguments.set.open().await?;
    let mut bar = Bar::new();
    let scores = retrieval_score(&pipeline, &examples, arguments.k_test, &mut bar).await?;
    bar.clear();
    if arguments.set.json {
        print(&serde_json::to_value(scores)?);
        return Ok(ALL_GOOD);
    }
    print(&format_args!("{} pictures, {} texts", scores.images, scores.texts));
    print(&format_args!("                  R@1   R@5  R@10"));
    let row = |name: &str, shares: [f64; 3]| {
        let [first, fifth, tenth] = shares.map(|share| 100.0 * share);
        print(&format_args!("{name:<14} {first:>6.1} {fifth:>5.1} {tenth:>5.1}"));
    };
    row("text (TR)", [scores.tr_r1, scores.tr_r5, scores.tr_r10]);
    row("picture (IR)", [scores.ir_r1, scores.ir_r5, scores.ir_r10]);
    print(&format_args!("mean           {:>6.1}", 100.0 * scores.r_mean));
    Ok(ALL_GOOD)
}

async fn vqa(arguments: VqaArguments) -> Result<u8> {
    let set = read_questions(&arguments.data, arguments.annotations.as_deref(), arguments.images.as_deref())?;
    set.warnings.iter().for_each(|warning| eprintln!("medley: {warning}"));
    let mut examples = set.examples;
    if arguments.limit > 0 {
        examples.truncate(arguments.limit);
    }
    let choices = arguments.answers.as_deref().map(read_answers).transpose()?.unwrap_or_default();
    let options = AnswerOptions { choices, rank_k: arguments.rank_k, ..AnswerOptions::default() };
    let device = arguments.device.open().await?;
    let pipeline = arguments.model.load(&device)?;
    let mut bar = Bar::new();
    let answers = answer_all(&pipeline, &examples, &options, &mut bar).await?;
    if let Some(path) = &arguments.results {
        let result = |(example, answer): (&QuestionExample, &String)| json!({ "question_id": id_value(&example.id), "answer": answer });
        write_results(path, &examples.iter().zip(&answers).map(result).collect::<Vec<_>>())?;
    }
    let known = examples.iter().zip(&answers).filter(|(example, _)| !example.answers.is_empty());
    let scores = vqa_scores(known.map(|(example, answer)| {
        (
            answer.as_str(),
            example.answers.as_slice(),
            example.answer_type.as_deref().or(example.question_type.as_deref()),
        )
    }));
    if scores.questions == 0 {
        bail!("the dataset has no answers to score against: name them with --annotations, or write with --results");
    }
    if arguments.json {
        print(&serde_json::to_value(scores)?);
        return Ok(ALL_GOOD);
    }
    print(&format_args!("{:<10} {:>5.1}   of {} questions", "accuracy", 100.0 * scores.accuracy, scores.questions));
    for (kind, accuracy) in &scores.by_answer_type {
        print(&format_args!("{kind:<10} {:>5.1}", 100.0 * accuracy));
    }
    Ok(ALL_GOOD)
}

/// A JSON list of texts, or one a line.
fn read_answers(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let answers: Vec<String> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(&text).with_context(|| format!("{} is no list of texts", path.display()))?,
        false => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
    };
    if answers.is_empty() {
        bail!("no answer in {}", path.display());
    }
    Ok(answers)
}

/// A number where the dataset's name for something is one.
fn id_value(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id))
}

fn write_results(path: &Path, results: &[Value]) -> Result<()> {
    std::fs::write(path, serde_json::to_vec(results)?).with_context(|| format!("could not write {}", path.display()))
}
