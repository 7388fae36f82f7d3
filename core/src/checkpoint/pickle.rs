//! What the pickle of a PyTorch file names, looked at before anything else is read of it.
//!
//! A pickle is a program: Python runs what it names. We run nothing, but a file that does more than
//! hold weights is no file to work with, or to hand on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek};

use zip::ZipArchive;
use zip::read::ZipReadOptions;

/// Why a pickle is refused.
type Refusal = String;

/// The longest name that is kept; longer ones are nothing we know.
const MAX_NAME_BYTES: usize = 256;
/// The longest line: a file without line ends shall not be read into memory whole.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The magic number of `torch.save` before 1.6, in binary and in text.
const OLD_MAGIC: [&[u8]; 2] = [b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"119547037146038801333356"];
/// What such a file begins with: magic number, version, system, the object, and its storages' keys.
const OLD_PICKLES: usize = 5;

/// Refuses a file whose pickle names anything that tensors and settings have no need of.
pub(super) fn check(mut file: File) -> Result<(), Refusal> {
    let mut start = Vec::new();
    file.by_ref().take(512).read_to_end(&mut start).and_then(|_| file.rewind()).map_err(|source| source.to_string())?;
    if start.starts_with(b"PK") {
        return check_archive(BufReader::new(file));
    }
    if start.get(257..262) == Some(b"ustar") {
        return Err("it is a TAR archive, as PyTorch wrote them before BLIP".to_owned());
    }
    let head = &start[..start.len().min(64)];
    let is_old = OLD_MAGIC.iter().any(|magic| head.windows(magic.len()).any(|part| part == *magic));
    let mut reader = BufReader::new(file);
    (0..if is_old { OLD_PICKLES } else { 1 }).try_for_each(|_| check_pickle(&mut reader))
}

fn check_archive(file: BufReader<File>) -> Result<(), Refusal> {
    let damaged = |_| "its zip archive is cut short or damaged: fetch the file again".to_owned();
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    let mut is_there = false;
    for index in 0..archive.len() {
        let name = archive.name_for_index(index).transpose().map_err(damaged)?.unwrap_or_default();
        if name != "data.pkl" && !name.ends_with("/data.pkl") {
            continue;
        }
        is_there = true;
        // `torch.save` may leave checksums out: zero stands for none.
        let has_none = archive.by_index_raw(index).map_err(damaged)?.crc32() == 0;
        let options = ZipReadOptions::new().ignore_crc32(has_none);
        let entry = archive.by_index_with_options(index, options).map_err(damaged)?;
        check_pickle(&mut BufReader::new(entry.take(pytorch_reader::MAX_PICKLE_SIZE)))?;
    }
    if is_there { Ok(()) } else { Err("it is a zip archive without data.pkl, so not of torch.save".to_owned()) }
}

/// Walks one pickle up to its end.
fn check_pickle(reader: &mut impl BufRead) -> Result<(), Refusal> {
    let mut walk = Walk { reader, memo: HashMap::new(), last: [None, None] };
    loop {
        match walk.step() {
            Ok(Step::More) => {}
            Ok(Step::End) => return Ok(()),
            Ok(Step::Name(module, name)) if is_known(&module, &name) => {}
            Ok(Step::Name(module, name)) => {
                let name: String = format!("{module}.{name}").chars().take(MAX_NAME_BYTES).collect();
                return Err(format!("its pickle names {}, which weights have no need of", name.escape_default()));
            }
            Ok(Step::HiddenName) => return Err("its pickle puts together what it names".to_owned()),
            Ok(Step::Unknown(code)) => {
                return Err(format!("its pickle is damaged: there is no instruction {code:#04x}"));
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err("its pickle is cut short".to_owned()),
            Err(error) => return Err(format!("its pickle is damaged: {error}")),
        }
    }
}

/// What tensors, their types, and settings of a training run are made of.
fn is_known(module: &str, name: &str) -> bool {
    const TYPES: [&str; 12] = [
        "float32", "float64", "float16", "bfloat16", "float", "double", "half", "int64", "int32", "int16", "int8",
        "uint8",
    ];
    let is_storage = || name.ends_with("Storage") && name.chars().all(char::is_alphanumeric);
    match module {
        "torch" => {
            is_storage() || TYPES.contains(&name) || matches!(name, "Size" | "device" | "dtype" | "bool" | "Tensor")
        }
        "torch.cuda" | "torch.storage" => is_storage(),
        "torch._utils" => matches!(
            name,
            "_rebuild_tensor"
                | "_rebuild_tensor_v2"
                | "_rebuild_tensor_v3"
                | "_rebuild_parameter"
                | "_rebuild_parameter_with_state"
        ),
        "torch._tensor" => name == "_rebuild_from_type_v2",
        "torch.nn.parameter" => name == "Parameter",
        "torch.serialization" => name == "_get_layout",
        "collections" => matches!(name, "OrderedDict" | "defaultdict" | "Counter"),
        "numpy" => TYPES.contains(&name) || matches!(name, "dtype" | "ndarray" | "bool_"),
        "numpy.core.multiarray" | "numpy._core.multiarray" => matches!(name, "scalar" | "_reconstruct"),
        "argparse" => name == "Namespace",
        "_codecs" => name == "encode",
        "builtins" | "__builtin__" => matches!(
            name,
            "set"
                | "frozenset"
                | "list"
                | "dict"
                | "tuple"
                | "int"
                | "float"
                | "bool"
                | "str"
                | "bytes"
                | "bytearray"
                | "object"
        ),
        "copyreg" | "copy_reg" => name == "_reconstructor",
        _ => false,
    }
}

enum Step {
    More,
    End,
    Name(String, String),
    /// A name that is not two strings written one after the other.
    HiddenName,
    Unknown(u8),
}

struct Walk<'a, R> {
    reader: &'a mut R,
    /// What was remembered, where it is a string.
    memo: HashMap<u32, Option<String>>,
    /// The two values pushed last, where they are strings and nothing came between.
    last: [Option<String>; 2],
}

impl<R: BufRead> Walk<'_, R> {
    /// One instruction; the codes are those of Python's `pickletools`.
    fn step(&mut self) -> io::Result<Step> {
        match self.byte()? {
            b'.' => return Ok(Step::End),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.last = [None, None];
                return Ok(Step::Name(module, name));
            }
            0x93 => {
                return Ok(match std::mem::take(&mut self.last) {
                    [Some(module), Some(name)] => Step::Name(module, name),
                    _ => Step::HiddenName,
                });
            }
            // Strings.
            b'V' | b'S' => {
                let text = self.line()?;
                self.push(Some(text));
            }
            b'U' | 0x8c => self.string(1)?,
            b'X' | b'T' => self.string(4)?,
            0x8d => self.string(8)?,
            // Remembering and recalling.
            b'p' => {
                let index = self.line()?.parse().map_err(|_| ErrorKind::InvalidData)?;
                self.remember(index);
            }
            b'q' => {
                let index = self.length(1)? as u32;
                self.remember(index);
            }
            b'r' => {
                let index = self.length(4)? as u32;
                self.remember(index);
            }
            0x94 => self.remember(self.memo.len() as u32),
            b'g' => {
                let index = self.line()?.parse().map_err(|_| ErrorKind::InvalidData)?;
                self.recall(index);
            }
            b'h' => {
                let index = self.length(1)? as u32;
                self.recall(index);
            }
            b'j' => {
                let index = self.length(4)? as u32;
                self.recall(index);
            }
            other => return self.pass(other),
        }
        Ok(Step::More)
    }

    /// An instruction after which the last values are no names.
    fn pass(&mut self, code: u8) -> io::Result<Step> {
        match code {
            b'(' | b'0'..=b'2' | b'N' | b'Q' | b'R' | b'a' | b'b' | b'd' | b'e' | b'l' | b'o' | b's' | b't' | b'u' => {}
            b')' | b']' | b'}' | 0x81 | 0x85..=0x89 | 0x8f..=0x92 => {}
            b'I' | b'L' | b'F' | b'P' => drop(self.line()?),
            b'K' => self.skip(1)?,
            b'M' => self.skip(2)?,
            b'J' => self.skip(4)?,
            b'G' => self.skip(8)?,
            0x8a | b'C' => self.skip_counted(1)?,
            0x8b | b'B' => self.skip_counted(4)?,
            0x8e | 0x96 => self.skip_counted(8)?,
            unknown => return Ok(Step::Unknown(unknown)),
        }
        self.last = [None, None];
        Ok(Step::More)
    }

    fn push(&mut self, value: Option<String>) {
        self.last.swap(0, 1);
        self.last[1] = value;
    }

    fn remember(&mut self, index: u32) {
        self.memo.insert(index, self.last[1].clone());
    }

    fn recall(&mut self, index: u32) {
        self.push(self.memo.get(&index).cloned().flatten());
    }

    fn string(&mut self, width: usize) -> io::Result<()> {
        let length = self.length(width)?;
        if length > MAX_NAME_BYTES as u64 {
            self.skip(length)?;
            self.push(None);
            return Ok(());
        }
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes)?;
        self.push(String::from_utf8(bytes).ok());
        Ok(())
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.length(1).map(|byte| byte as u8)
    }

    /// A number of this many bytes.
    fn length(&mut self, width: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..width])?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn skip_counted(&mut self, width: usize) -> io::Result<()> {
        let length = self.length(width)?;
        self.skip(length)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())?;
        if skipped < length { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}
