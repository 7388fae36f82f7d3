//! `medley data noise`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::data::{CaptionExample, epoch_order, exchange, read_captions};

use crate::cli::part::Part;
use crate::cli::{ALL_GOOD, output};

pub const EXAMPLES: &str = "\
Examples:
  Half of the pictures get the captions of another:
    medley data noise --data dataset_flickr8k.json --images images --split train --share 0.5 --out web.json
  A web half with one caption a picture, half of them wrong, and a half as people wrote it:
    medley data noise --data dataset_flickr8k.json --images images --split train --part 1/2 --captions 1 --out web.json
    medley data noise --data dataset_flickr8k.json --images images --split train --part 2/2 --share 0 --out human.json
  What CapFilt makes of it, and how good its filter is:
    medley capfilt --data web.json --captioner captioner.safetensors --filter matcher.safetensors --out clean
    medley eval capfilt --data web.json --model matcher.safetensors
The list says of every caption whether it was \"swapped\".";

/// What to spoil, and how much of it.
#[derive(Args)]
pub struct Arguments {
    /// Captioned pictures in any form that training reads
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Split to take
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Take one of several parts of the pictures only, such as 1/2
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    part: Part,
    /// Captions to take of each picture, drawn by the seed [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    captions: Option<u32>,
    /// Share of the pictures whose captions are exchanged
    #[arg(long, default_value_t = 0.5)]
    share: f64,
    /// Decides which, and with whom
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The list of pictures and captions that is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    overwrite: bool,
}

/// Writes a list in which some captions are wrong.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let out = &arguments.out;
    output::target(out, arguments.overwrite)?;
    let mut set = read_captions(&arguments.data, arguments.images.as_deref(), arguments.split.as_deref())?;
    set.warnings.iter().for_each(|warning| eprintln!("medley: {warning}"));
    set.examples = arguments.part.of(&set.examples).map(|(_, example)| example.clone()).collect();
    if let Some(captions) = arguments.captions {
        take_captions(&mut set.examples, captions as usize, arguments.seed);
    }
    for example in &mut set.examples {
        // From the root, so that the list can be read from anywhere.
        example.image = example.image.whole_path().into();
    }
    let pairs = exchange(&set, arguments.share, arguments.seed)?;
    output::write(out, arguments.overwrite, &serde_json::to_vec_pretty(&pairs)?)?;
    let swapped = pairs.iter().filter(|pair| pair.swapped).count();
    eprintln!("{} captions of {} pictures, {swapped} of another: {}", pairs.len(), set.examples.len(), out.display());
    Ok(ALL_GOOD)
}

/// Leaves so many captions of each picture, others with another seed.
fn take_captions(examples: &mut [CaptionExample], captions: usize, seed: u64) {
    for (place, example) in examples.iter_mut().enumerate() {
        let order = epoch_order(example.captions.len(), seed, place as u64);
        example.captions = order.into_iter().take(captions).map(|caption| example.captions[caption].clone()).collect();
    }
}
