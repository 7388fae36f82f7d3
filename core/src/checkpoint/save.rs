//! A model into one file, written beside its name and renamed when whole.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use half::f16;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::json;

use super::keys::{self, Shape};
use super::load::{theirs, transposed};
use super::quantize::{self, Bits, Quantized};
use super::{CALIBRATION_KEY, CONFIG_KEY, Checkpoint, PREPROCESSOR_KEY, TOKENIZER_KEY, TokenizerText};
use crate::error::{Error, Result};
use crate::readback::read;
use crate::with_model;

/// Number format of saved weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats: half the size.
    F16,
    /// Matrices in 8 bits, the rest in 16: a quarter of the size.
    Q8,
    /// Matrices in 4 bits, the rest in 16: a seventh of the size.
    Q4,
}

impl Dtype {
    /// How a tensor of this shape is held as bytes, where it is.
    fn quantized(self, shape: &[usize]) -> Option<Quantized> {
        match self {
            Self::F32 | Self::F16 => None,
            Self::Q8 => Quantized::new(shape, Bits::Eight),
            Self::Q4 => Quantized::new(shape, Bits::Four),
        }
    }
}

/// Saves a model with its configuration, tokenizer and preprocessing as one safetensors file.
///
/// The tensors carry the authors' names. Only one of them is in memory besides the model. The
/// file appears under its name when it is complete; before that, nothing there changes.
///
/// # Errors
/// [`Error::Write`], [`Error::TooLargeForHalf`], and [`Error::Device`] when reading back fails.
pub async fn save(checkpoint: &Checkpoint, path: &Path, dtype: Dtype) -> Result<()> {
    write_tensors(path, collect(checkpoint), texts(checkpoint)?, dtype).await
}

/// As [`save`], to wherever the bytes of the file go, from first to last.
///
/// # Errors
/// As [`save`], [`Error::Write`] with the path `model.safetensors`.
pub async fn save_to(checkpoint: &Checkpoint, out: &mut impl Write, dtype: Dtype) -> Result<()> {
    let failed = |source| Error::Write { path: "model.safetensors".into(), source };
    write_all(out, collect(checkpoint), texts(checkpoint)?, dtype, failed).await
}

/// Writes tensors one after the other as a safetensors file with this metadata.
///
/// # Errors
/// As [`save`].
pub(crate) async fn write_tensors(
    path: &Path,
    tensors: Vec<NamedTensor>,
    texts: HashMap<String, String>,
    dtype: Dtype,
) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    write_whole(path, async |file| write_all(file, tensors, texts, dtype, failed).await).await
}

async fn write_all(
    out: &mut impl Write,
    mut tensors: Vec<NamedTensor>,
    mut texts: HashMap<String, String>,
    dtype: Dtype,
    failed: impl Fn(std::io::Error) -> Error,
) -> Result<()> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let (stored, width) = match dtype {
        Dtype::F32 => (safetensors::Dtype::F32, 4),
        Dtype::F16 | Dtype::Q8 | Dtype::Q4 => (safetensors::Dtype::F16, 2),
    };
    let (mut end, mut list) = (0, quantize::List::new());
    let infos = tensors.iter().map(|tensor| {
        let begin = end;
        let quantized = dtype.quantized(&tensor.shape);
        let (dtype, shape) = match quantized.as_ref().and_then(Quantized::num_bytes) {
            Some(bytes) => (safetensors::Dtype::U8, vec![bytes]),
            None => (stored, tensor.shape.clone()),
        };
        end += shape.iter().product::<usize>() * if dtype == stored { width } else { 1 };
        list.extend(quantized.map(|quantized| (tensor.name.clone(), quantized)));
        (tensor.name.clone(), TensorInfo { dtype, shape, data_offsets: (begin, end) })
    });
    let infos: Vec<_> = infos.collect();
    if !list.is_empty() {
        let list = serde_json::to_string(&list).map_err(|source| Error::Config { reason: source.to_string() })?;
        texts.insert(quantize::KEY.to_owned(), list);
    }
    let unwritable = |reason: String| Error::Config { reason };
    let metadata = Metadata::new(None, infos).map_err(|source| unwritable(source.to_string()))?;
    let mut header = serde_json::to_value(&metadata).map_err(|source| unwritable(source.to_string()))?;
    // In their order, so that the same model is the same bytes, and its key in a library the same.
    header["__metadata__"] = json!(texts.into_iter().collect::<BTreeMap<_, _>>());
    let mut header = serde_json::to_vec(&header).map_err(|source| unwritable(source.to_string()))?;
    // The format wants its data aligned to eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');

    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(&failed)?;
    out.write_all(&header).map_err(&failed)?;
    for tensor in tensors {
        let bytes = tensor.into_bytes(dtype).await?;
        out.write_all(&bytes).map_err(&failed)?;
    }
    Ok(())
}

/// Writes a file under a temporary name beside `path`, flushes it to disk and renames it.
///
/// # Errors
/// What `write` gives, and [`Error::Write`]; the temporary file is removed then.
pub(crate) async fn write_whole(
    path: &Path,
    write: impl AsyncFnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let result = async {
        let mut file = BufWriter::new(File::create(&partial).map_err(failed)?);
        write(&mut file).await?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&partial, path).map_err(failed)
    }
    .await;
    if result.is_err() {
        // Already failing: a rest that cannot be removed is no further news.
        let _ = std::fs::remove_file(&partial);
    }
    result
}

fn texts(checkpoint: &Checkpoint) -> Result<HashMap<String, String>> {
    let config =
        serde_json::to_string(&checkpoint.config).map_err(|source| Error::Config { reason: source.to_string() })?;
    let mut texts = HashMap::from([("format".to_owned(), "pt".to_owned()), (CONFIG_KEY.to_owned(), config)]);
    match &checkpoint.tokenizer {
        Some(TokenizerText::Json(json)) => {
            texts.insert(TOKENIZER_KEY.to_owned(), json.clone());
        }
        Some(TokenizerText::Vocab(_)) => {
            let reason = "a vocabulary is saved as a tokenizer.json: convert it first".to_owned();
            return Err(Error::Tokenizer { reason });
        }
        None => {}
    }
    if let Some(preprocessor) = &checkpoint.preprocessor {
        texts.insert(PREPROCESSOR_KEY.to_owned(), preprocessor.clone());
    }
    if let Some(calibration) = &checkpoint.calibration {
        texts.insert(CALIBRATION_KEY.to_owned(), calibration.clone());
    }
    Ok(texts)
}

/// A tensor on its way out.
pub struct NamedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its extents in the file.
    pub shape: Vec<usize>,
    /// Extents of ours, where the file holds it transposed.
    pub transpose: Option<(usize, usize)>,
    /// Its numbers, row by row.
    pub values: Tensor<1>,
}

impl NamedTensor {
    async fn into_bytes(self, dtype: Dtype) -> Result<Vec<u8>> {
        let values = read(self.values).await?;
        let values = match self.transpose {
            Some((rows, columns)) => transposed(&values, rows, columns),
            None => values,
        };
        if let Some(quantized) = dtype.quantized(&self.shape) {
            return quantized.pack(values).await;
        }
        Ok(match dtype {
            Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            // What does not fit would be written as infinity, which no checkpoint may hold.
            _ if values.iter().any(|value| value.is_finite() && !f16::from_f32(*value).is_finite()) => {
                return Err(Error::TooLargeForHalf { name: self.name });
            }
            _ => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        })
    }
}

fn collect(checkpoint: &Checkpoint) -> Vec<NamedTensor> {
    let mut collector = Collector { checkpoint, path: Vec::new(), tensors: Vec::new() };
    with_model!(&checkpoint.model, module => module.visit(&mut collector));
    collector.tensors
}

struct Collector<'a> {
    checkpoint: &'a Checkpoint,
    path: Vec<String>,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let config = &self.checkpoint.config;
        let place = keys::place(config, &self.path);
        let tensor = param.val().detach();
        let dims = tensor.dims();
        let turns = matches!(place.shape, Shape::Transposed | Shape::Kernel);
        self.tensors.push(NamedTensor {
            shape: theirs(&place, &dims, config.vision.patch_size_px),
            transpose: turns.then(|| (dims[0], dims[1])),
            values: tensor.reshape([dims.iter().product::<usize>()]),
            name: place.name,
        });
    }
}
