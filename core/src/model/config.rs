//! One configuration for every kind of model.

use burn::config::Config;
use serde::{Deserialize, Serialize};

use crate::text::{CrossAttention, Sharing, TextConfig, TokenIds};
use crate::vision::VisionConfig;

/// Which heads a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Image to caption.
    Captioner,
    /// Image-text similarity (ITC) and matching (ITM).
    Matcher,
    /// Image and question to answer (VQA).
    Answerer,
    /// Two images and a statement to true or false (NLVR2).
    Reasoner,
    /// Image, caption and dialog to how well an answer goes on (VisDial).
    Dialog,
    /// All three roles of MED with shared weights.
    Pretraining,
}

impl Kind {
    /// The word for this kind in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Captioner => "captioner",
            Self::Matcher => "matcher",
            Self::Answerer => "answerer",
            Self::Reasoner => "reasoner",
            Self::Dialog => "dialog model",
            Self::Pretraining => "pre-training model",
        }
    }

    /// The word for one of this kind: an answerer, a matcher.
    pub fn with_article(self) -> String {
        let article = if self == Self::Answerer { "an" } else { "a" };
        format!("{article} {}", self.name())
    }
}

/// Everything that shapes the weights of a model.
#[derive(Config, Debug, PartialEq)]
pub struct BlipConfig {
    /// Which heads there are.
    pub kind: Kind,
    /// The image encoder.
    pub vision: VisionConfig,
    /// Sizes of the text stacks; which roles each can play follows from `kind`.
    pub text: TextConfig,
    /// Width of the shared space of images and texts (ITC).
    #[config(default = 256)]
    pub embed_size: usize,
    /// Ids with a meaning to the model.
    #[config(default = "TokenIds::default()")]
    pub tokens: TokenIds,
    /// Layers of the stack that writes answers: an answerer's has as many as its text stack if not
    /// given, a pre-training model has one only if given.
    #[config(default = "None")]
    pub answer_layers: Option<usize>,
    /// Layers of a stack of its own by which a pre-training model reads questions, as one has that was fine-tuned on
    /// questions alone; it reads them as it reads captions if not given.
    #[config(default = "None")]
    pub question_layers: Option<usize>,
}

impl BlipConfig {
    /// BERT-base beside this image encoder, as the authors combine them.
    pub fn bert(kind: Kind, vision: VisionConfig) -> Self {
        Self::new(kind, vision, TextConfig::new())
    }

    /// ViT-B/16 at 384 px, as fine-tuned for captioning.
    pub fn captioning_base() -> Self {
        Self::bert(Kind::Captioner, VisionConfig::base(384))
    }

    /// A model small enough to travel with the program: ViT-Ti/16 and four narrow layers.
    pub fn tiny(kind: Kind, vocab_size: usize, tokens: TokenIds) -> Self {
        let text = TextConfig::new()
            .with_vocab_size(vocab_size)
            .with_hidden_size(256)
            .with_num_layers(4)
            .with_num_heads(8)
            .with_feed_forward_size(1024)
            .with_max_positions(64)
            .with_attention_dropout(0.0);
        Self::new(kind, VisionConfig::tiny(224), text).with_tokens(tokens)
    }

    /// The stack that reads the image: its text reader, writer, or both.
    pub fn reader(&self) -> TextConfig {
        let cross = match (self.kind, self.text.cross) {
            (Kind::Reasoner, pair @ CrossAttention::Pair { .. }) => pair,
            // `nlvr_encoder.py` hard-codes the sixth layer.
            (Kind::Reasoner, _) => CrossAttention::Pair { merge_from: 6 },
            _ => CrossAttention::One,
        };
        self.text
            .clone()
            .with_context_size(self.vision.hidden_size)
            .with_bidirectional(self.kind != Kind::Captioner)
            .with_causal(self.kind == Kind::Captioner || self.kind == Kind::Pretraining && !self.writes_apart())
            .with_cross(cross)
    }

    /// The stack that writes captions in pre-training, where it shares nothing with the reader.
    pub fn writer(&self) -> Option<TextConfig> {
        self.writes_apart().then(|| self.reader().with_bidirectional(false).with_causal(true))
    }

    fn writes_apart(&self) -> bool {
        self.kind == Kind::Pretraining && self.text.sharing == Some(Sharing::None)
    }

    /// The stack by which a pre-training model reads questions, where it has one of its own: an answerer's.
    pub fn question_reader(&self) -> Option<TextConfig> {
        let layers = self.question_layers.filter(|_| self.kind == Kind::Pretraining)?;
        Some(Self { kind: Kind::Answerer, ..self.clone() }.reader().with_num_layers(layers))
    }

    /// This configuration with the stacks by which a model of the other answers, where both sorts can have them.
    pub fn with_answering_of(&self, other: &Self) -> Self {
        let (question_layers, answer_layers) = match other.kind {
            Kind::Answerer => (Some(other.text.num_layers), Some(other.answer_layers.unwrap_or(other.text.num_layers))),
            Kind::Pretraining if other.question_layers.is_some() => (other.question_layers, other.answer_layers),
            _ => return self.clone(),
        };
        match self.kind {
            Kind::Pretraining => Self { question_layers, answer_layers, ..self.clone() },
            _ => self.clone(),
        }
    }

    /// The stack that writes answers, reading the question's states (`blip_vqa.py`).
    pub fn answer_writer(&self) -> TextConfig {
        self.text
            .clone()
            .with_num_layers(self.answer_layers.unwrap_or(self.text.num_layers))
            .with_context_size(self.text.hidden_size)
            .with_causal(true)
            .with_cross(CrossAttention::One)
    }
}
