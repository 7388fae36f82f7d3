//! Recipes by name: those of the paper (BLIP §4.1, §5, and the authors' `configs`), and one for a
//! few pictures of one's own.
//!
//! Image size and stochastic depth belong to the model: 224 px in pre-training, 480 for
//! questions, 384 else; 0.1 for ViT-L, questions and NLVR2.

use super::{ContrastConfig, Schedule, TrainConfig};

impl TrainConfig {
    /// Captioning on COCO with ViT-B (`caption_coco.yaml`).
    pub fn paper_caption() -> Self {
        Self { epochs: 5, learning_rate: 1e-5, ..Self::paper_fine_tuning() }
    }

    /// Captioning on COCO with ViT-L.
    pub fn paper_caption_large() -> Self {
        Self { learning_rate: 2e-6, ..Self::paper_caption() }
    }

    /// Retrieval on COCO or Flickr30k with ViT-B (`retrieval_coco.yaml`).
    pub fn paper_retrieval() -> Self {
        let contrast = ContrastConfig::retrieval();
        Self { epochs: 6, learning_rate: 1e-5, max_tokens: 35, contrast, ..Self::paper_fine_tuning() }
    }

    /// Retrieval with ViT-L.
    pub fn paper_retrieval_large() -> Self {
        Self { learning_rate: 5e-6, ..Self::paper_retrieval() }
    }

    /// Questions of VQA v2 (`vqa.yaml`).
    pub fn paper_vqa() -> Self {
        Self { epochs: 10, learning_rate: 2e-5, ..Self::paper_fine_tuning() }
    }

    /// Statements about two pictures, NLVR2 (`nlvr.yaml`).
    pub fn paper_nlvr() -> Self {
        Self { epochs: 15, learning_rate: 3e-5, ..Self::paper_fine_tuning() }
    }

    /// Dialogues of VisDial (BLIP §5.5; the authors never released its code).
    pub fn paper_dialog() -> Self {
        Self { epochs: 20, batch_size: 240, learning_rate: 2e-5, ..Self::paper_fine_tuning() }
    }

    /// Pre-training with ViT-B (`pretrain.yaml`): from 1e-6 up in 3,000 steps, then nine tenths
    /// every epoch, never below 1e-6.
    pub fn paper_pretrain() -> Self {
        let learning_rate = 3e-4;
        Self {
            epochs: 20,
            batch_size: 2880,
            learning_rate,
            first_rate: 1e-6,
            final_rate_factor: 1e-6 / learning_rate,
            warmup_steps: 3000,
            schedule: Schedule::Decay,
            max_tokens: 30,
            contrast: ContrastConfig::default(),
            ..Self::paper_fine_tuning()
        }
    }

    /// Pre-training with ViT-L.
    pub fn paper_pretrain_large() -> Self {
        let learning_rate = 2e-4;
        Self { batch_size: 2400, learning_rate, final_rate_factor: 1e-6 / learning_rate, ..Self::paper_pretrain() }
    }

    /// A few hundred pictures of one's own.
    ///
    /// Ten epochs of steps of sixteen are some two hundred steps for 300 pictures: each is seen
    /// often enough for its words to be learned, and the best epoch on the pictures held out is
    /// what is kept, so that too many do no harm. The rate is twice the paper's because the
    /// steps are a tenth of its; the image encoder's is a tenth of that, for few pictures teach
    /// no seeing but can unteach it. A running mean of the weights evens out small steps. The
    /// queue stays below the number of pictures, which else would be compared with themselves.
    pub fn mine() -> Self {
        Self {
            epochs: 10,
            batch_size: 16,
            learning_rate: 2e-5,
            vision_rate_factor: 0.1,
            warmup_steps: 20,
            weight_average: 0.95,
            contrast: ContrastConfig { queue: 128, ..ContrastConfig::retrieval() },
            ..Self::default()
        }
    }

    /// What all fine-tunings of the paper have in common: no rise, no shortened gradients.
    fn paper_fine_tuning() -> Self {
        Self { batch_size: 256, warmup_steps: 0, clip_norm: 0.0, schedule: Schedule::CosineByEpoch, ..Self::default() }
    }
}
