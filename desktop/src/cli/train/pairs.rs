//! `medley train retrieval` and `medley train pretrain`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::Pipeline;
use medley::data::{CaptionExample, QuestionSet, hold_out_questions};
use medley::model::{Head, Matcher, Pretraining};
use medley::train::{ContrastConfig, LearnsPairs, PairTask, PairTrainer, TrainConfig, Trainer};

use super::caption::texts;
use super::options::{CaptionData, RunArguments};
use super::run::{Run, Score, Scorer, fields};
use super::start::{Start, describe, start};
use crate::cli::data::{HELD_OUT, read_answered};
use crate::cli::progress::Bar;
use crate::cli::scores::retrieval_score;

/// Shown under the help of `retrieval`.
pub const RETRIEVAL_EXAMPLES: &str = "\
Examples:
  Your own pictures, each with a .txt of captions beside it:
    medley train retrieval --data my-photos --model blip-itm-base-coco --out my-matcher
  The recipe of the paper, from a pre-trained model:
    medley train retrieval --data dataset_coco.json --images coco --model model_base.pth --skip-training-state \\
      --image-size 384 --epochs 6 --batch 256 --lr 1e-5 --out run";

/// Shown under the help of `pretrain`.
pub const PRETRAIN_EXAMPLES: &str = "\
Examples:
  A small model of one's own, its image encoder from ImageNet:
    medley train pretrain --new --vision vit_tiny_patch16_224.safetensors --data dataset_flickr8k.json --images images \\
      --lr 3e-4 --queue 4096 --out run
  The same model answers questions too:
    medley train pretrain --model run/best.safetensors --data dataset_flickr8k.json --images images --lr 3e-4 \
      --questions questions.json --annotations annotations.json --question-images coco --out run-2
  Go on after Ctrl-C or a power cut:
    medley train pretrain --data dataset_flickr8k.json --images images --out run --resume";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    run: RunArguments,
    /// Features of earlier batches that a batch is compared with; fewer pictures than that, and they repeat
    #[arg(long, default_value_t = 4096)]
    queue: usize,
    /// How much of itself the momentum twin keeps in a step
    #[arg(long, default_value_t = ContrastConfig::default().momentum)]
    momentum: f64,
    /// The share of the twin's opinion in what is similar
    #[arg(long, default_value_t = ContrastConfig::default().alpha)]
    alpha: f64,
    /// Candidates that are put in order by reading picture and text together when scoring; 0 for similarity alone
    #[arg(long, default_value_t = 0, value_name = "K")]
    eval_k: usize,
}

/// Questions beside the pairs of pre-training.
#[derive(Args)]
pub struct PretrainArguments {
    #[command(flatten)]
    pairs: Arguments,
    /// Learn to answer too: VQA v2's questions JSON, BLIP's list of image, question and answer, or COCO-QA
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// VQA v2's annotations JSON, which holds the answers
    #[arg(long, value_name = "FILE", requires = "questions")]
    annotations: Option<PathBuf>,
    /// Folder with the questions' pictures
    #[arg(long, value_name = "DIR", requires = "questions")]
    question_images: Option<PathBuf>,
    /// Questions in a step
    #[arg(long, default_value_t = TrainConfig::default().questions_per_step, value_name = "N")]
    questions_per_step: usize,
    /// Layers of the stack that writes answers, where the model has none yet
    #[arg(long, default_value_t = 2, value_name = "N")]
    answer_layers: usize,
}

impl PretrainArguments {
    /// The questions to learn from; a tenth of their pictures is left for scoring.
    fn read(&self) -> Result<Option<QuestionSet>> {
        let Some(path) = &self.questions else { return Ok(None) };
        let read = read_answered(path, self.annotations.as_deref(), self.question_images.as_deref())?;
        let (train, val) = hold_out_questions(read, HELD_OUT, self.pairs.run.seed);
        eprintln!("{} questions to learn from, {} held out", train.examples.len(), val.examples.len());
        Ok(Some(train))
    }
}

impl Arguments {
    fn config(&self, contrast: ContrastConfig) -> TrainConfig {
        let contrast = ContrastConfig { queue: self.queue, momentum: self.momentum, alpha: self.alpha, ..contrast };
        TrainConfig { contrast, ..self.run.config() }
    }
}

/// Trains a matcher.
pub async fn retrieval(arguments: Arguments) -> Result<u8> {
    let config = arguments.config(ContrastConfig::retrieval());
    run::<Matcher>(arguments, config, None).await
}

/// Trains a pre-training model.
pub async fn pretrain(arguments: PretrainArguments) -> Result<u8> {
    let questions = arguments.read()?.map(|set| Asked { set, layers: arguments.answer_layers });
    let config = arguments.pairs.config(ContrastConfig::default());
    let config = TrainConfig { questions_per_step: arguments.questions_per_step, ..config };
    run::<Pretraining>(arguments.pairs, config, questions).await
}

/// Questions to learn from, and how many layers are to answer them.
struct Asked {
    set: QuestionSet,
    layers: usize,
}

async fn run<M: LearnsPairs + Head>(arguments: Arguments, config: TrainConfig, asked: Option<Asked>) -> Result<u8> {
    let (train, val) = arguments.data.read(&arguments.run)?;
    let questions = asked.iter().flat_map(|asked| &asked.set.examples);
    let questions = questions.flat_map(|example| std::iter::once(&example.question).chain(&example.answers));
    let texts = texts(&train).chain(questions.map(String::as_str));
    let Start { device, mut pipeline, mut model } = start::<M>(&arguments.run, texts).await?;
    pipeline.set_prompt("");
    if let (Some(asked), None) = (&asked, pipeline.config().answer_layers) {
        let fresh;
        (pipeline, fresh) = pipeline.with_answer_layers(asked.layers);
        eprintln!("it learns to answer: {}", describe(&fresh));
        model = M::of(pipeline.model().clone()).expect("answer layers leave a model of its kind");
    }
    let mut trainer = PairTrainer::<M>::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        &train.examples,
        config,
    )?;
    if let Some(asked) = &asked {
        trainer = trainer.with_questions(pipeline.tokenizer(), &asked.set.examples)?;
    }
    let scorer = Recall { candidates: arguments.eval_k };
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer }.run(&device).await
}

/// Finds the texts of the pictures held out, and the pictures of the texts.
struct Recall {
    candidates: usize,
}

impl<M: LearnsPairs> Scorer<PairTask<M>> for Recall {
    type Example = CaptionExample;

    const KEY: &'static str = "r_mean";
    const NAME: &'static str = "mean recall";
    const EXAMPLES: &'static str = "pictures";

    async fn score(&self, _: &Trainer<PairTask<M>>, pipeline: &Pipeline, val: &[CaptionExample]) -> Result<Score> {
        let mut bar = Bar::new();
        let scores = retrieval_score(pipeline, val, self.candidates, &mut bar).await?;
        bar.clear();
        let line = format!(
            "TR@1 {:.1}, IR@1 {:.1}, mean recall {:.1}",
            100.0 * scores.tr_r1,
            100.0 * scores.ir_r1,
            100.0 * scores.r_mean
        );
        Ok(Score { value: scores.r_mean, fields: fields(&scores)?, line, samples: Vec::new() })
    }
}
