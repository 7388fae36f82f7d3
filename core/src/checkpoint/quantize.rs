//! Weights in 8 or 4 bits: blocks of 32 numbers share a scale (Burn's block quantisation).
//!
//! A file holds them as bytes, numbers first, then the blocks' scales in 16 bits; its metadata says
//! which tensors these are. They are read as 32-bit floats like any other.

use std::collections::BTreeMap;

use burn::tensor::quantization::{QuantScheme, QuantStore, QuantValue, QuantizedBytes, ScaleDtype};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use half::f16;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Key of the list of such tensors in our files' metadata.
pub(super) const KEY: &str = "medley.quantized";

/// Numbers that share a scale.
const BLOCK: usize = 32;

/// Tensors of fewer numbers stay floats: norms and biases are a hundredth of a model.
const LEAST: usize = 4096;

/// Bits of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Bits {
    #[serde(rename = "8")]
    Eight,
    #[serde(rename = "4")]
    Four,
}

/// What a file says of a tensor that it holds as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Quantized {
    pub shape: Vec<usize>,
    pub bits: Bits,
}

/// Every such tensor of a file by name.
pub(super) type List = BTreeMap<String, Quantized>;

impl Bits {
    /// What the number format is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eight => "Q8",
            Self::Four => "Q4",
        }
    }

    fn numbers(self, numbers: usize) -> usize {
        match self {
            Self::Eight => numbers,
            Self::Four => numbers / 2,
        }
    }

    fn scheme(self) -> QuantScheme {
        let value = match self {
            Self::Eight => QuantValue::Q8S,
            Self::Four => QuantValue::Q4S,
        };
        QuantScheme::default()
            .with_value(value)
            .with_store(QuantStore::Native)
            .per_block([BLOCK as u8], ScaleDtype::F16)
    }
}

impl Quantized {
    /// A tensor of this shape in so many bits, where it is a matrix large enough to gain by it.
    pub fn new(shape: &[usize], bits: Bits) -> Option<Self> {
        let quantized = Self { shape: shape.to_vec(), bits };
        let rows_are_blocks = shape.last().is_some_and(|width| width.is_multiple_of(BLOCK));
        (shape.len() >= 2 && rows_are_blocks && quantized.num_elements()? >= LEAST).then_some(quantized)
    }

    fn num_elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))
    }

    /// Bytes in the file; none for a shape that no file holds.
    pub fn num_bytes(&self) -> Option<usize> {
        let numbers = self.num_elements().filter(|numbers| numbers.is_multiple_of(BLOCK))?;
        self.bits.numbers(numbers).checked_add(numbers / BLOCK * size_of::<f16>())
    }

    /// The bytes of these numbers.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub async fn pack(&self, values: Vec<f32>) -> Result<Vec<u8>> {
        let (count, scheme) = (values.len(), self.bits.scheme());
        let tensor = Tensor::<1>::from_data(TensorData::new(values, [count]), &Device::flex());
        let failed = |error| Error::Device { reason: format!("{error:?}") };
        let data = tensor.quantize_dynamic(&scheme).into_data_async().await.map_err(failed)?;
        let quantized = QuantizedBytes { bytes: data.into_bytes(), scheme, shape: Shape::new([count]) };
        let (numbers, scales) = quantized.into_vec_i8();
        let mut bytes: Vec<u8> = match self.bits {
            Bits::Eight => numbers.iter().map(|number| number.cast_unsigned()).collect(),
            Bits::Four => {
                let pairs = numbers.as_chunks::<2>().0.iter();
                pairs.map(|[low, high]| (low.cast_unsigned() & 0xF) | (high.cast_unsigned() << 4)).collect()
            }
        };
        bytes.extend(scales.block.iter().flat_map(|scale| f16::from_f32(*scale).to_le_bytes()));
        Ok(bytes)
    }

    /// The numbers of these bytes, of which there are [`num_bytes`](Self::num_bytes).
    pub fn unpack(&self, bytes: &[u8]) -> Vec<f32> {
        let numbers = self.num_elements().unwrap_or_default();
        let (numbers, scales) = bytes.split_at(self.bits.numbers(numbers).min(bytes.len()));
        let scales = scales.as_chunks::<2>().0.iter().map(|scale| f16::from_le_bytes(*scale).to_f32());
        let numbers: Vec<i8> = match self.bits {
            Bits::Eight => numbers.iter().map(|byte| byte.cast_signed()).collect(),
            // Shifting right keeps the sign.
            Bits::Four => {
                numbers.iter().flat_map(|pair| [pair.cast_signed() << 4 >> 4, pair.cast_signed() >> 4]).collect()
            }
        };
        let blocks = numbers.chunks(BLOCK).zip(scales);
        blocks.flat_map(|(block, scale)| block.iter().map(move |number| f32::from(*number) * scale)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_within_half_a_step_of_their_block() {
        let values: Vec<f32> = (0..8192).map(|place| ((place * place) as f32 * 0.37).sin() * 0.1).collect();
        for (bits, steps) in [(Bits::Eight, 254.0), (Bits::Four, 14.0)] {
            let quantized = Quantized::new(&[64, 128], bits).expect("it is large enough");
            let mut packed = std::pin::pin!(quantized.pack(values.clone()));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let std::task::Poll::Ready(packed) = packed.as_mut().poll(&mut context) else { panic!("the CPU waits") };
            let packed = packed.expect("the CPU computes");
            assert_eq!(Some(packed.len()), quantized.num_bytes());
            let found = quantized.unpack(&packed);
            for (block, found) in values.chunks(BLOCK).zip(found.chunks(BLOCK)) {
                let peak = block.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
                // Half a step, and what rounding a scale up to 16 bits makes of it.
                let most = 0.51 * 2.0 * peak / steps + peak / 1024.0;
                for (value, found) in block.iter().zip(found) {
                    assert!((value - found).abs() <= most, "{bits:?}: {value} became {found}");
                }
            }
        }
    }

    #[test]
    fn small_and_uneven_tensors_stay_floats() {
        assert!(Quantized::new(&[8192], Bits::Eight).is_none());
        assert!(Quantized::new(&[32, 32], Bits::Eight).is_none());
        assert!(Quantized::new(&[1000, 33], Bits::Four).is_none());
    }
}
