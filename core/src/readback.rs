//! Numbers back from the device: beside opening it, the only thing that waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use burn::tensor::Tensor;

use crate::error::{Error, Result};

/// The numbers of a tensor, row after row.
///
/// Gives way once: whoever drives a long task, a page above all, may look around between two
/// tokens, also on the CPU, where there is nothing to wait for.
///
/// # Errors
/// [`Error::OutOfMemory`], and [`Error::Device`] where the device was lost.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.into_data_async().await.map_err(failed)?;
    GiveWay::default().await;
    data.convert::<f32>().try_to_vec().map_err(failed)
}

/// Not ready the first time it is asked.
#[derive(Default)]
struct GiveWay {
    was_asked: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.was_asked {
            return Poll::Ready(());
        }
        self.was_asked = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn failed(error: impl std::fmt::Debug) -> Error {
    let reason = format!("{error:?}");
    if speaks_of_memory(&reason) { Error::OutOfMemory } else { Error::Device { reason } }
}

/// Whether a backend says that its memory is full, or a buffer more than it gives at once, in
/// whichever of its words.
pub(crate) fn speaks_of_memory(reason: &str) -> bool {
    const WORDS: [&str; 5] =
        ["out of memory", "out-of-memory", "out of device memory", "outofmemory", "can't allocate buffer"];
    let reason = reason.to_lowercase();
    WORDS.iter().any(|words| reason.contains(words))
}
