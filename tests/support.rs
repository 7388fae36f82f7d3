//! What every suite needs: fixtures, devices and comparison with a stated tolerance.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use medley::device::{DeviceChoice, open};
use medley::progress::Progress;
use medley::train::{Task, Trainer};
use safetensors::{Dtype, SafeTensors};

/// A file or folder of `tests/fixtures`, or of the folder `MEDLEY_FIXTURES` names: the same files
/// for models of other sizes and seeds.
pub fn fixture(name: &str) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::env::var_os("MEDLEY_FIXTURES").map_or_else(own, PathBuf::from).join(name)
}

/// The two devices parity holds on: the CPU, and a GPU (a software Vulkan driver counts as one).
pub fn device(name: &str) -> Device {
    let choice = if name == "cpu" { DeviceChoice::Cpu } else { DeviceChoice::Software };
    pollster::block_on(open(choice)).expect("a software Vulkan driver is installed").device
}

/// Tensors that PyTorch computed.
pub struct Reference {
    floats: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    ints: BTreeMap<String, (Vec<usize>, Vec<i64>)>,
}

impl Reference {
    /// Reads a safetensors file of `tests/fixtures`, or of an absolute path.
    pub fn read(name: &str) -> Self {
        let bytes = std::fs::read(fixture(name)).expect("fixture can be read");
        let file = SafeTensors::deserialize(&bytes).expect("fixture is safetensors");
        let (mut floats, mut ints) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            let (shape, data) = (view.shape().to_vec(), view.data());
            match view.dtype() {
                Dtype::F32 => {
                    let values = data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                    floats.insert(name, (shape, values.collect()));
                }
                Dtype::I64 => {
                    let values = data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
                    ints.insert(name, (shape, values.collect()));
                }
                _ => {
                    ints.insert(name, (shape, data.iter().map(|byte| i64::from(*byte)).collect()));
                }
            }
        }
        Self { floats, ints }
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.floats.contains_key(name) || self.ints.contains_key(name)
    }

    /// The names that begin so, of float tensors.
    pub fn float_names(&self) -> impl Iterator<Item = &String> {
        self.floats.keys()
    }

    /// A float tensor on a device.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let (shape, values) = self.float(name);
        Tensor::from_data(TensorData::new(values.to_vec(), shape.to_vec()), device)
    }

    /// The numbers of a float tensor, and its shape.
    pub fn float(&self, name: &str) -> (&[usize], &[f32]) {
        let (shape, values) = self.floats.get(name).unwrap_or_else(|| panic!("no {name} in the reference"));
        (shape, values)
    }

    /// How large the numbers of a float tensor are: the root of their mean square.
    pub fn deviation(&self, name: &str) -> f32 {
        let (_, values) = self.float(name);
        (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt()
    }

    /// A tensor of ids on a device.
    pub fn ids(&self, name: &str, device: &Device) -> Tensor<2, Int> {
        let (shape, values) = self.int(name);
        let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
        Tensor::from_data(TensorData::new(values, shape.to_vec()), device)
    }

    /// `true` where an attention mask is 0.
    pub fn hidden(&self, name: &str, device: &Device) -> Tensor<2, Bool> {
        let (shape, values) = self.int(name);
        let values: Vec<bool> = values.iter().map(|value| *value == 0).collect();
        Tensor::from_data(TensorData::new(values, shape.to_vec()), device)
    }

    /// The numbers of an integer tensor, and its shape.
    pub fn int(&self, name: &str) -> (&[usize], &[i64]) {
        let (shape, values) = self.ints.get(name).unwrap_or_else(|| panic!("no {name} in the reference"));
        (shape, values)
    }

    /// An integer tensor as rows.
    pub fn rows(&self, name: &str) -> Vec<Vec<u32>> {
        let (shape, values) = self.int(name);
        values.chunks(shape[shape.len() - 1]).map(|row| row.iter().map(|id| *id as u32).collect()).collect()
    }

    /// Asserts that `found` is the tensor `name` to within `tolerance`, everywhere; a test run with
    /// `--show-output` tells how close it was.
    #[expect(clippy::print_stdout, reason = "what a passing test measured is worth reading")]
    pub fn assert_close<const D: usize>(&self, name: &str, found: Tensor<D>, tolerance: f32) {
        let (shape, expected) = self.float(name);
        let dims = found.dims();
        assert!(shape == dims || shape.is_empty(), "{name} is {shape:?}, found {dims:?}");
        let worst = largest_difference(expected, &values(found));
        println!("{name}: largest difference {worst:.1e}");
        let tolerance = tolerance * full_size_factor();
        assert!(worst <= tolerance, "{name}: largest difference {worst:e}, tolerance {tolerance:e}");
    }
}

/// How much more rounding is allowed: 2 with `MEDLEY_FIXTURES`, where models may be full-size.
///
/// PyTorch's own 32-bit results differ from its 64-bit ones by 2e-5 in twelve layers of 768.
fn full_size_factor() -> f32 {
    if std::env::var_os("MEDLEY_FIXTURES").is_some() { 2.0 } else { 1.0 }
}

/// The numbers of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().expect("floats")
}

/// The largest absolute difference; infinite where one side is no number.
pub fn largest_difference(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len());
    let difference = |(a, b): (&f32, &f32)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() };
    expected.iter().zip(found).map(difference).fold(0.0, f32::max)
}

/// Waits for a turn at chance: it comes from one source for the whole process, so one test draws
/// at a time.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Trains to the end; the loss of every step.
pub fn finish<T: Task>(trainer: &mut Trainer<T>) -> Vec<f32> {
    let mut losses = Vec::new();
    while !trainer.is_finished() {
        let mut note = |progress| {
            if let Progress::Step { loss, .. } = progress {
                losses.push(loss);
            }
            ControlFlow::Continue(())
        };
        pollster::block_on(trainer.epoch(&mut note)).expect("a step can be taken");
    }
    losses
}
