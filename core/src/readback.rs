//! Numbers back from the device: beside opening it, the only thing that waits.

use burn::tensor::Tensor;

use crate::error::{Error, Result};

/// The numbers of a tensor, row after row.
///
/// # Errors
/// [`Error::Device`] where the device was lost or ran out of memory.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.into_data_async().await.map_err(failed)?;
    data.convert::<f32>().try_to_vec().map_err(failed)
}

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::Device { reason: format!("{error:?}") }
}
