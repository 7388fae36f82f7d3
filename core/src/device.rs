//! Opens the device a model runs on: a GPU if there is one, else the CPU.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use crate::error::{Error, Result};

/// Which device to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A hardware GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU, in Rust.
    Cpu,
    /// A hardware GPU: the default one, or the one with this number.
    Gpu(Option<usize>),
    /// A GPU imitated by the CPU, such as lavapipe or SwiftShader: slow, for tests.
    Software,
}

impl FromStr for DeviceChoice {
    type Err = Error;

    /// Reads `auto`, `cpu`, `gpu`, `gpu:N` or `software`, in capitals too.
    fn from_str(name: &str) -> Result<Self> {
        let name = name.to_ascii_lowercase();
        match (name.as_str(), name.strip_prefix("gpu:").map(str::parse)) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("gpu", _) => Ok(Self::Gpu(None)),
            ("software", _) => Ok(Self::Software),
            (_, Some(Ok(index))) => Ok(Self::Gpu(Some(index))),
            _ => {
                let reason = "must be auto, cpu, gpu, gpu:N (the first is 0) or software".to_owned();
                Err(Error::Option { option: "device", reason })
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    /// Writes what [`from_str`](Self::from_str) reads.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Cpu => formatter.write_str("cpu"),
            Self::Gpu(None) => formatter.write_str("gpu"),
            Self::Gpu(Some(index)) => write!(formatter, "gpu:{index}"),
            Self::Software => formatter.write_str("software"),
        }
    }
}

/// A device ready for tensors, and what to call it.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// Where tensors live.
    pub device: Device,
    /// The name a person would know it by.
    pub name: String,
    /// Whether its work runs on a GPU (a software one included).
    pub is_gpu: bool,
}

/// Opens a device.
///
/// On a page this must finish before the first tensor is made.
///
/// # Errors
/// [`Error::NoDevice`] when a GPU is asked for and there is none like it.
pub async fn open(choice: DeviceChoice) -> Result<OpenDevice> {
    let cpu = || OpenDevice { device: Device::flex(), name: "CPU".to_owned(), is_gpu: false };
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Auto => Ok(gpu::open_default().await.unwrap_or_else(cpu)),
        DeviceChoice::Gpu(None) => gpu::open_default().await.ok_or_else(|| none("gpu")),
        DeviceChoice::Gpu(Some(index)) => gpu::open_numbered(index).await.ok_or_else(|| none(&format!("gpu:{index}"))),
        DeviceChoice::Software => gpu::open_software().await.ok_or_else(|| none("software")),
    }
}

fn none(name: &str) -> Error {
    Error::NoDevice { name: name.to_owned(), available: gpu::names() }
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::tensor::wgpu::{WgpuInitError, WgpuSetup, wgpu};
    use burn::tensor::{Device, DeviceKind, DeviceType};

    use super::OpenDevice;

    /// More cards of one kind than any machine holds.
    const MAX_CARDS: usize = 16;

    pub async fn open_default() -> Option<OpenDevice> {
        if !has_hardware().await {
            return None;
        }
        open_kind(DeviceKind::DefaultDevice).await.filter(|(_, is_hardware)| *is_hardware).map(|(open, _)| open)
    }

    /// Whether there is more than an imitation of a GPU. Opening one to find out would leave its
    /// threads behind, which take a twentieth of the CPU that then does the work.
    async fn has_hardware() -> bool {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::PRIMARY,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        };
        let adapter = instance.request_adapter(&options).await;
        adapter.is_ok_and(|adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu)
    }

    pub async fn open_software() -> Option<OpenDevice> {
        open_kind(DeviceKind::Cpu).await.map(|(open, _)| open)
    }

    pub async fn open_numbered(index: usize) -> Option<OpenDevice> {
        let kind = cards().into_iter().nth(index)?;
        open_kind(kind).await.map(|(open, _)| open)
    }

    pub fn names() -> Vec<String> {
        let cards = (0..cards().len()).map(|index| format!("gpu:{index}"));
        std::iter::once("cpu".to_owned()).chain(cards).collect()
    }

    /// The hardware GPUs, fastest kind first.
    fn cards() -> Vec<DeviceKind> {
        let present: Vec<Device> = Device::enumerate(DeviceType::Wgpu).into_vec();
        let kinds: [fn(usize) -> DeviceKind; 3] =
            [DeviceKind::DiscreteGpu, DeviceKind::IntegratedGpu, DeviceKind::VirtualGpu];
        let all = kinds.iter().flat_map(|kind| (0..MAX_CARDS).map(kind));
        all.filter(|kind| present.contains(&Device::wgpu(kind.clone()))).collect()
    }

    /// Opens an adapter; the answer's second half says whether it is hardware.
    async fn open_kind(kind: DeviceKind) -> Option<(OpenDevice, bool)> {
        match Device::wgpu_options().device_kind(kind.clone()).init_with_setup_async().await {
            Ok((device, WgpuSetup { adapter, .. })) => {
                let about = adapter.get_info();
                let is_hardware = about.device_type != wgpu::DeviceType::Cpu;
                Some((OpenDevice { device, name: about.name, is_gpu: true }, is_hardware))
            }
            // Opened before in this process.
            Err(WgpuInitError::Registration { .. }) => {
                let device = Device::wgpu(kind);
                let identity = device.identity()?;
                let is_hardware = identity.physical.is_some();
                Some((OpenDevice { device, name: identity.name, is_gpu: true }, is_hardware))
            }
            Err(_) => None,
        }
    }
}

#[cfg(not(feature = "gpu"))]
mod gpu {
    use super::OpenDevice;

    pub async fn open_default() -> Option<OpenDevice> {
        None
    }

    pub async fn open_software() -> Option<OpenDevice> {
        None
    }

    pub async fn open_numbered(_index: usize) -> Option<OpenDevice> {
        None
    }

    pub fn names() -> Vec<String> {
        vec!["cpu".to_owned()]
    }
}
