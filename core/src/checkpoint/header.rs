//! The header of a safetensors file, believed only where it agrees with itself.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::TensorInfo;
use serde::Deserialize;
use serde_json::Value;

/// What a header says: texts, and tensors in the order of their bytes.
pub(super) struct Header {
    pub texts: HashMap<String, String>,
    pub tensors: Vec<(String, TensorInfo)>,
}

/// Reads a header's JSON; where it is wrong, the answer says of which tensor.
pub(super) fn parse(json: &[u8]) -> Result<Header, String> {
    let mut entries: BTreeMap<String, Value> =
        serde_json::from_slice(json).map_err(|source| format!("its header is no table of tensors: {source}"))?;
    let texts = match entries.remove("__metadata__") {
        None | Some(Value::Null) => HashMap::new(),
        Some(texts) => {
            serde_json::from_value(texts).map_err(|source| format!("its header's __metadata__: {source}"))?
        }
    };
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let info = TensorInfo::deserialize(entry).map_err(|source| format!("its header says of {name}: {source}"))?;
        tensors.push((name, info));
    }
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut last = 0;
    for (name, info) in &tensors {
        let (begin, end) = info.data_offsets;
        if begin != last || end < begin {
            let reason =
                format!("its header puts {name} at bytes {begin} to {end}, where {last} is the next that is free");
            return Err(reason);
        }
        let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, extent| bits.checked_mul(*extent));
        if bits != (end - begin).checked_mul(8) {
            let (shape, dtype) = (&info.shape, info.dtype);
            return Err(format!(
                "its header gives {name} {} bytes, which do not hold {shape:?} of {dtype:?}",
                end - begin
            ));
        }
        last = end;
    }
    Ok(Header { texts, tensors })
}
