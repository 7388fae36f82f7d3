//! The tensors of a checkpoint, by name, read one at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use half::{bf16, f16};
use pytorch_reader::{PytorchError, PytorchReader};
use safetensors::Dtype;

use super::bytes::{Bytes, ReadAt};
use super::foreign::{START_BYTES, foreign};
use super::quantize::{self, Quantized};
use super::{header, pickle};
use crate::error::{Error, Result};

/// A safetensors header larger than this is a lie (the format's own limit).
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// What is known of a tensor before it is read.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Element type as the file spells it, such as `F32`.
    pub dtype: String,
    /// Bytes in the file.
    pub num_bytes: u64,
    place: Place,
}

impl TensorInfo {
    /// Number of elements.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }
}

#[derive(Clone, Debug)]
enum Place {
    Safetensors { file: usize, offset: u64, dtype: Dtype },
    Quantized { file: usize, offset: u64, quantized: Quantized },
    Pytorch(pytorch_reader::Tensor),
}

/// An open checkpoint: one safetensors file, several with an index, or a PyTorch pickle.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<Bytes>,
    tensors: BTreeMap<String, TensorInfo>,
    metadata: HashMap<String, String>,
    /// Texts of files that would lie in its folder, if it lay in one.
    beside: HashMap<String, String>,
}

impl Weights {
    /// Opens a file by its content, or the weights of a folder.
    ///
    /// A folder is searched for `model.safetensors`, `model.safetensors.index.json` and
    /// `pytorch_model.bin`, in this order.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Checkpoint`], naming the file.
    pub fn open(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|source| read_error(path, source))?;
        if about.is_dir() {
            return Self::open_folder(path);
        }
        if about.len() == 0 {
            return Err(unusable(path, "it is empty"));
        }
        let mut start = Vec::new();
        let mut file = File::open(path).map_err(|source| read_error(path, source))?;
        let filled = file.by_ref().take(START_BYTES as u64).read_to_end(&mut start);
        filled.map_err(|source| read_error(path, source))?;
        // A safetensors file is a length and a JSON object; everything torch.save wrote is not.
        let is_safetensors = start.get(8) == Some(&b'{');
        if let Some(what) = foreign(&start).filter(|_| !is_safetensors) {
            return Err(unusable(path, what));
        }
        // Torch writes a zip archive under whatever name it is given.
        let is_called_so = || path.extension().is_some_and(|end| end == "safetensors") && !start.starts_with(b"PK");
        if is_safetensors || is_called_so() {
            let mut weights = Self::empty(path);
            weights.add_safetensors(path, Bytes::File(Mutex::new(file)))?;
            return Ok(weights);
        }
        Self::open_pytorch(path)
    }

    /// Opens a safetensors file that lies elsewhere, and is read one tensor at a time; `name` stands
    /// for it in messages.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Checkpoint`] for a damaged file.
    pub fn from_elsewhere(name: &str, file: Box<dyn ReadAt>) -> Result<Self> {
        let mut weights = Self::empty(Path::new(name));
        weights.add_safetensors(Path::new(name), Bytes::Elsewhere(file))?;
        Ok(weights)
    }

    /// As if a file of this name and content lay in the checkpoint's folder: `config.json`,
    /// `tokenizer.json`, `vocab.txt` or `preprocessor_config.json`.
    pub fn with_file(mut self, name: &str, text: String) -> Self {
        self.beside.insert(name.to_owned(), text);
        self
    }

    /// The text of a file that [`with_file`](Self::with_file) put beside it.
    pub(super) fn beside(&self, name: &str) -> Option<&String> {
        self.beside.get(name)
    }

    /// Opens a safetensors file that is already in memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a damaged file.
    pub fn from_memory(name: &str, bytes: Arc<[u8]>) -> Result<Self> {
        let mut weights = Self::empty(Path::new(name));
        weights.add_safetensors(Path::new(name), Bytes::Memory(bytes))?;
        Ok(weights)
    }

    /// Opens a safetensors file that is part of the program; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a damaged file.
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Self> {
        let mut weights = Self::empty(Path::new(name));
        weights.add_safetensors(Path::new(name), Bytes::Static(bytes))?;
        Ok(weights)
    }

    /// The file or folder that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor, sorted by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// Whether the tensors have Hugging Face's names.
    pub(super) fn is_hugging_face(&self) -> bool {
        self.tensors.keys().any(|name| name.starts_with("vision_model."))
    }

    /// Text stored beside the tensors (safetensors' `__metadata__`).
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// Reads a tensor as 32-bit floats, row by row.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the file disagrees with its header or holds no numbers under
    /// this name, [`Error::NotFinite`] for NaN and infinities.
    pub fn read(&self, name: &str) -> Result<Vec<f32>> {
        let info = self.tensors.get(name).ok_or_else(|| Error::MissingWeights { missing: vec![name.to_owned()] })?;
        let damaged = |reason: String| unusable(&self.path, &format!("{name}: {reason}"));
        let values = match &info.place {
            Place::Safetensors { file, offset, dtype } => {
                let bytes = self.files[*file]
                    .read(*offset, info.num_bytes as usize)
                    .map_err(|source| damaged(source.to_string()))?;
                match dtype {
                    Dtype::F32 => floats(&bytes, f32::from_le_bytes),
                    Dtype::F16 => floats(&bytes, |b| f16::from_le_bytes(b).to_f32()),
                    Dtype::BF16 => floats(&bytes, |b| bf16::from_le_bytes(b).to_f32()),
                    Dtype::F64 => floats(&bytes, |b| f64::from_le_bytes(b) as f32),
                    other => return Err(damaged(format!("{other:?} are not weights"))),
                }
            }
            Place::Quantized { file, offset, quantized } => {
                let bytes = self.files[*file].read(*offset, info.num_bytes as usize);
                quantized.unpack(&bytes.map_err(|source| damaged(source.to_string()))?)
            }
            Place::Pytorch(tensor) => {
                let bytes = tensor.read().map_err(|source| damaged(source.to_string()))?;
                match tensor.dtype() {
                    pytorch_reader::DType::F32 => floats(&bytes, f32::from_ne_bytes),
                    pytorch_reader::DType::F16 => floats(&bytes, |b| f16::from_ne_bytes(b).to_f32()),
                    pytorch_reader::DType::BF16 => floats(&bytes, |b| bf16::from_ne_bytes(b).to_f32()),
                    pytorch_reader::DType::F64 => floats(&bytes, |b| f64::from_ne_bytes(b) as f32),
                    other => return Err(damaged(format!("{other:?} are not weights"))),
                }
            }
        };
        if values.iter().all(|value| value.is_finite()) {
            Ok(values)
        } else {
            Err(Error::NotFinite { name: name.to_owned() })
        }
    }

    fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: Vec::new(),
            tensors: BTreeMap::new(),
            metadata: HashMap::new(),
            beside: HashMap::new(),
        }
    }

    fn open_folder(folder: &Path) -> Result<Self> {
        let single = folder.join("model.safetensors");
        let index = folder.join("model.safetensors.index.json");
        let pickle = folder.join("pytorch_model.bin");
        let mut weights = if single.is_file() {
            Self::open(&single)?
        } else if index.is_file() {
            Self::open_sharded(folder, &index)?
        } else if pickle.is_file() {
            Self::open_pytorch(&pickle)?
        } else {
            let reason = "it holds no model.safetensors, model.safetensors.index.json or pytorch_model.bin";
            return Err(unusable(folder, reason));
        };
        weights.path = folder.to_owned();
        Ok(weights)
    }

    fn open_sharded(folder: &Path, index: &Path) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let text = std::fs::read(index).map_err(|source| read_error(index, source))?;
        let index_of: Index = serde_json::from_slice(&text).map_err(|source| unusable(index, &source.to_string()))?;
        let mut weights = Self::empty(folder);
        let mut shards: Vec<&String> = index_of.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        for shard in shards {
            // A shard is a file beside the index, never a path out of the folder.
            if Path::new(shard).components().count() != 1 || shard.starts_with("..") {
                return Err(unusable(index, &format!("{shard} is not a file beside it")));
            }
            let path = folder.join(shard);
            let file = File::open(&path).map_err(|source| read_error(&path, source))?;
            weights.add_safetensors(&path, Bytes::File(Mutex::new(file)))?;
        }
        match index_of.weight_map.keys().find(|name| !weights.tensors.contains_key(*name)) {
            Some(name) => Err(unusable(index, &format!("{name} is in no shard"))),
            None => Ok(weights),
        }
    }

    fn add_safetensors(&mut self, path: &Path, bytes: Bytes) -> Result<()> {
        let damaged = |reason: String| unusable(path, &reason);
        let total = bytes.len().map_err(|source| read_error(path, source))?;
        let header_bytes = match bytes.read(0, 8) {
            Ok(length) if total >= 8 => u64::from_le_bytes(length.try_into().expect("eight bytes")),
            _ => return Err(damaged(format!("{total} bytes are too few for a safetensors file"))),
        };
        if header_bytes > MAX_HEADER_BYTES || header_bytes + 8 > total {
            let start = bytes.read(0, total.min(START_BYTES as u64) as usize).unwrap_or_default();
            let claim = || format!("its header claims {header_bytes} bytes, the file has {total}");
            return Err(damaged(foreign(&start).map_or_else(claim, str::to_owned)));
        }
        let json = bytes.read(8, header_bytes as usize).map_err(|source| read_error(path, source))?;
        let header = header::parse(&json).map_err(damaged)?;
        let start = 8 + header_bytes;
        let file = self.files.len();
        let mut list: quantize::List = match header.texts.get(quantize::KEY) {
            Some(list) => {
                serde_json::from_str(list).map_err(|source| damaged(format!("{}: {source}", quantize::KEY)))?
            }
            None => quantize::List::new(),
        };
        for (name, info) in header.tensors {
            let (begin, end) = info.data_offsets;
            if end as u64 > total - start {
                let reason =
                    format!("cut short: {name} ends at byte {end} of its tensors, which are {}", total - start);
                return Err(damaged(reason));
            }
            let offset = start + begin as u64;
            let info = match list.remove(&name) {
                Some(quantized) if quantized.num_bytes() != Some(end - begin) => {
                    let (bits, shape) = (quantized.bits.name(), &quantized.shape);
                    return Err(damaged(format!("{name} has {} bytes, which are no {shape:?} of {bits}", end - begin)));
                }
                Some(quantized) => TensorInfo {
                    shape: quantized.shape.clone(),
                    dtype: quantized.bits.name().to_owned(),
                    num_bytes: (end - begin) as u64,
                    place: Place::Quantized { file, offset, quantized },
                },
                None => TensorInfo {
                    shape: info.shape,
                    dtype: format!("{:?}", info.dtype),
                    num_bytes: (end - begin) as u64,
                    place: Place::Safetensors { file, offset, dtype: info.dtype },
                },
            };
            if self.tensors.insert(name.clone(), info).is_some() {
                return Err(damaged(format!("{name} is there twice")));
            }
        }
        self.metadata.extend(header.texts);
        self.files.push(bytes);
        Ok(())
    }

    fn open_pytorch(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| read_error(path, source))?;
        pickle::check(file).map_err(|reason| unusable(path, &reason))?;
        let reader = match PytorchReader::with_top_level_key(path, "model") {
            Err(PytorchError::KeyNotFound(_)) => PytorchReader::new(path),
            other => other,
        };
        let reader = reader.map_err(|source| unusable(path, &source.to_string()))?;
        let mut weights = Self::empty(path);
        for (name, tensor) in reader.into_tensors() {
            let info = TensorInfo {
                shape: tensor.shape().to_vec(),
                dtype: format!("{:?}", tensor.dtype()),
                num_bytes: tensor.byte_len() as u64,
                place: Place::Pytorch(tensor),
            };
            weights.tensors.insert(name, info);
        }
        if weights.tensors.is_empty() {
            return Err(unusable(path, "it holds no tensors"));
        }
        Ok(weights)
    }
}

fn floats<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect()
}

fn read_error(path: &Path, source: std::io::Error) -> Error {
    Error::Read { path: path.to_owned(), source }
}

pub(super) fn unusable(path: &Path, reason: &str) -> Error {
    Error::Checkpoint { path: path.to_owned(), reason: reason.to_owned() }
}
