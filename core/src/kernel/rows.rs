//! CPU tensors as rows of numbers, worked through in threads with the widest vectors there are.
//!
//! How rows are grouped depends on their number alone, never on the number of threads, so sums
//! come out the same on every machine.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, Shape, TensorData};
use burn::tensor::DType;
use pulp::Arch;

/// Numbers a thread takes at a time.
pub(super) const TASK: usize = 1 << 14;

/// A CPU tensor whose numbers stand one after the other.
pub(super) struct Rows {
    tensor: FloatTensor<Flex>,
    /// Length of the last axis.
    pub width: usize,
}

impl Rows {
    /// The tensor's rows; `None` where its numbers are not 32 bits wide.
    pub fn new(tensor: &FloatTensor<Flex>) -> Option<Self> {
        let width = *tensor.layout().shape().last()?;
        (tensor.dtype() == DType::F32 && width > 0).then(|| Self { tensor: tensor.to_contiguous(), width })
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f32] {
        self.tensor.storage()
    }

    /// The tensor's shape.
    pub fn shape(&self) -> Shape {
        self.tensor.layout().shape().clone()
    }

    /// The tensor's shape with rows of another width.
    pub fn shape_with_width(&self, width: usize) -> Shape {
        let mut shape = self.shape();
        let last = shape.num_dims() - 1;
        shape[last] = width;
        shape
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values().len() / self.width
    }

    /// Rows that a thread takes at a time.
    pub fn per_task(&self) -> usize {
        (TASK / self.width).max(1)
    }
}

/// A new CPU tensor.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Flex> {
    let shape: Shape = shape.into();
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape))
}

/// The same numbers one after the other, none of them hidden from view: its storage is the tensor.
pub(super) fn own(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
    let whole = x.layout().num_elements() * size_of::<f32>() == x.bytes().len() && x.is_contiguous();
    if whole { x } else { x.to_contiguous() }
}

/// Runs `work` with the widest vectors this CPU has.
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Fills `values` piece by piece, `piece` numbers each; `fill` gets a piece and its number.
pub(super) fn fill<T: Send>(values: &mut [T], piece: usize, fill: impl Fn(usize, &mut [T]) + Send + Sync) {
    #[cfg(feature = "threads")]
    {
        use rayon::prelude::*;
        if values.len() > piece {
            values.par_chunks_mut(piece).enumerate().for_each(|(index, values)| fill(index, values));
            return;
        }
    }
    values.chunks_mut(piece).enumerate().for_each(|(index, values)| fill(index, values));
}

/// Threads that share the work.
pub(super) fn threads() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "threads"))]
    1
}

/// Runs `work` once for each task, a task at a time to a thread.
pub(super) fn each<T: Send>(tasks: Vec<T>, work: impl Fn(T) + Send + Sync) {
    #[cfg(feature = "threads")]
    {
        use rayon::prelude::*;
        tasks.into_par_iter().with_max_len(1).for_each(work);
    }
    #[cfg(not(feature = "threads"))]
    tasks.into_iter().for_each(work);
}

/// As [`fill`] for several buffers at once, each with pieces of its own size.
pub(super) fn fill_each<const N: usize>(
    buffers: [&mut [f32]; N],
    pieces: [usize; N],
    fill: impl Fn(usize, [&mut [f32]; N]) + Send + Sync,
) {
    let count = buffers[0].len().div_ceil(pieces[0].max(1));
    let mut sizes = pieces.into_iter();
    let mut chunks = buffers.map(|buffer| buffer.chunks_mut(sizes.next().unwrap_or(1).max(1)));
    let mut tasks: Vec<[&mut [f32]; N]> = (0..count)
        .map(|_| chunks.each_mut().map(|chunks| chunks.next().expect("every buffer has as many pieces")))
        .collect();
    self::fill(&mut tasks, 1, |index, task| fill(index, task[0].each_mut().map(|piece| &mut **piece)));
}

/// As [`fill`], with an answer for each piece, in order.
pub(super) fn fill_and_collect<R: Send>(
    values: &mut [f32],
    piece: usize,
    fill: impl Fn(usize, &mut [f32]) -> R + Send + Sync,
) -> Vec<R> {
    #[cfg(feature = "threads")]
    {
        use rayon::prelude::*;
        if values.len() > piece {
            return values.par_chunks_mut(piece).enumerate().map(|(index, values)| fill(index, values)).collect();
        }
    }
    values.chunks_mut(piece).enumerate().map(|(index, values)| fill(index, values)).collect()
}

/// An answer for each piece of `values`, in order.
#[cfg(feature = "train")]
pub(super) fn collect<R: Send>(values: &[f32], piece: usize, answer: impl Fn(&[f32]) -> R + Send + Sync) -> Vec<R> {
    #[cfg(feature = "threads")]
    {
        use rayon::prelude::*;
        if values.len() > piece {
            return values.par_chunks(piece).map(answer).collect();
        }
    }
    values.chunks(piece).map(answer).collect()
}

/// `y = map(x)` for every number, in place where nobody else holds the tensor.
pub(super) fn map(x: FloatTensor<Flex>, map: impl Fn(f32) -> f32 + Send + Sync) -> FloatTensor<Flex> {
    let mut x = own(x);
    if let Some(values) = x.try_storage_mut::<f32>() {
        fill(values, TASK, |_, piece| vectorized(|| piece.iter_mut().for_each(|value| *value = map(*value))));
        return x;
    }
    let shape = x.layout().shape().clone();
    let input: &[f32] = x.storage();
    let mut output = vec![0.0; input.len()];
    fill(&mut output, TASK, |index, piece| {
        let input = &input[index * TASK..][..piece.len()];
        vectorized(|| piece.iter_mut().zip(input).for_each(|(y, x)| *y = map(*x)));
    });
    tensor(output, shape)
}

/// `z = map(x, y)` for every pair of numbers of two tensors of one shape.
pub(super) fn map_pairs(x: &Rows, y: &Rows, map: impl Fn(f32, f32) -> f32 + Send + Sync) -> FloatTensor<Flex> {
    let (xs, ys) = (x.values(), y.values());
    assert_eq!(xs.len(), ys.len(), "tensors of one shape");
    let mut output = vec![0.0; xs.len()];
    fill(&mut output, TASK, |index, piece| {
        let (xs, ys) = (&xs[index * TASK..][..piece.len()], &ys[index * TASK..][..piece.len()]);
        vectorized(|| piece.iter_mut().zip(xs).zip(ys).for_each(|((z, x), y)| *z = map(*x, *y)));
    });
    tensor(output, x.shape())
}
