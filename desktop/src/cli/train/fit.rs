//! A run made to fit the memory there is.

use anyhow::Result;
use medley::OpenDevice;
use medley::model::BlipConfig;
use medley::train::{TrainConfig, half_precision_fault, step_bytes};

use crate::cli::memory;

/// Share of the free memory a run may take: what is estimated is not exact.
const SHARE: f64 = 0.85;

/// The same run in more parts, with blocks that run again, where a step of as many `examples` as
/// there are at the most would not fit the memory that is free; says so.
///
/// Only on the CPU, where a process that asks for too much is killed without a word. A GPU says
/// no, and the trainer takes less then.
pub async fn fit(config: TrainConfig, model: &BlipConfig, examples: usize, device: &OpenDevice) -> Result<TrainConfig> {
    let config = in_bits(config, device).await?;
    let Some(free) = memory::available().filter(|_| !device.is_gpu && config.check().is_ok()) else {
        return Ok(config);
    };
    let most = (SHARE * free as f64) as u64;
    let bytes = |config: &TrainConfig| {
        let batch_size = config.batch_size.min(examples.max(1));
        step_bytes(model, &TrainConfig { batch_size, ..config.clone() }, &device.device)
    };
    let asked = bytes(&config);
    if asked <= most {
        return Ok(config);
    }
    let mut fitted = TrainConfig { recompute: true, ..config };
    while bytes(&fitted) > most && fitted.accumulate < fitted.batch_size {
        fitted.accumulate = (2 * fitted.accumulate).min(fitted.batch_size);
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let parts = match fitted.accumulate {
        1 => String::new(),
        parts => format!(", and a step is taken in {parts} parts (--accumulate)"),
    };
    eprintln!(
        "a step would take about {:.1} GB of the {:.1} GB that are free: blocks run again in the backward pass \
         (--recompute){parts}, which takes about {:.1} GB",
        gigabytes(asked),
        gigabytes(free),
        gigabytes(bytes(&fitted))
    );
    Ok(fitted)
}

/// The same run in 32 bits where the device cannot learn in 16; says why.
async fn in_bits(config: TrainConfig, device: &OpenDevice) -> Result<TrainConfig> {
    if !config.half {
        return Ok(config);
    }
    match half_precision_fault(&device.device).await? {
        None => Ok(config),
        Some(fault) => {
            eprintln!("medley: {fault}: learning in 32 bits, without --half");
            Ok(TrainConfig { half: false, ..config })
        }
    }
}
