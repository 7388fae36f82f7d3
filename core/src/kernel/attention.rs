//! Attention: one head after the other on the CPU, its gradient from the kept weights.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::ops::{AttentionModuleOptions, ModuleOps};
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Bool, DType, Tensor};

use super::matrix::{Matrix, product_into};
use super::softmax::{self, softmax_row};
use super::{Softmax, few_queries, rows};

/// Hidden scores before the softmax: far below any score, yet finite, so that a row that is
/// hidden as a whole stays a number.
const HIDDEN_SCORE: f32 = -1e9;

/// `softmax(q k^T / sqrt(head_size)) v`.
///
/// # Shapes
/// - `q`: `[batch, head, query, head_size]`
/// - `k`, `v`: `[batch, head, key, head_size]`
/// - `mask`: `[batch, head, query, key]`, `true` where a key is hidden
/// - returns `[batch, head, query, head_size]`
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, mask: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    Tensor::from_dispatch(match mask {
        Some(mask) => Dispatch::attend_masked(q, k, v, mask.into_dispatch()),
        None => Dispatch::attend(q, k, v),
    })
}

/// Backends that compute [`attention`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait Attend: Backend {
    /// `softmax(q k^T / sqrt(head_size)) v`.
    fn attend(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self>;

    /// As `attend`, with keys hidden where the mask is `true`.
    fn attend_masked(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: BoolTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl<B: AttendSteps> Attend for B {
    fn attend(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        B::attend_maybe_masked(q, k, v, None)
    }

    fn attend_masked(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: BoolTensor<Self>,
    ) -> FloatTensor<Self> {
        B::attend_maybe_masked(q, k, v, Some(mask))
    }
}

/// Attention and the parts of its gradient.
pub trait AttendSteps: Softmax {
    /// `softmax(q k^T / sqrt(head_size)) v`.
    fn attend_maybe_masked(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: Option<BoolTensor<Self>>,
    ) -> FloatTensor<Self> {
        Self::attention(q, k, v, mask, None, AttentionModuleOptions::default())
    }

    /// As `attend_maybe_masked`, and the softmax beside it, `[batch, head, query, key]`.
    fn attend_with_weights(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: Option<BoolTensor<Self>>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let scale = scale(&q);
        let scores = Self::float_matmul(Self::float_mul_scalar(q, scale.into()), Self::float_swap_dims(k, 2, 3));
        let scores = match mask {
            Some(mask) => Self::float_mask_fill(scores, mask, HIDDEN_SCORE.into()),
            None => scores,
        };
        let weights = Self::softmax_last(scores);
        (Self::float_matmul(weights.clone(), v), weights)
    }

    /// The gradients of `q`, `k` and `v`.
    fn attend_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let scale = scale(&q);
        let transposed = |x| Self::float_swap_dims(x, 2, 3);
        let v_grad = Self::float_matmul(transposed(weights.clone()), grad.clone());
        let weights_grad = Self::float_matmul(grad, transposed(v));
        let scores_grad = Self::float_mul_scalar(Self::softmax_last_backward(weights, weights_grad), scale.into());
        let q_grad = Self::float_matmul(scores_grad.clone(), k);
        (q_grad, Self::float_matmul(transposed(scores_grad), q), v_grad)
    }
}

fn scale<T: TensorMetadata>(q: &T) -> f64 {
    (q.shape()[3] as f64).powf(-0.5)
}

#[cfg(feature = "gpu")]
impl AttendSteps for Cube {}

impl AttendSteps for Flex {
    fn attend_maybe_masked(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: Option<BoolTensor<Self>>,
    ) -> FloatTensor<Self> {
        if q.dtype() != DType::F32 {
            return Self::attention(q, k, v, mask, None, AttentionModuleOptions::default());
        }
        let Sizes { batch, head, query, key, head_size } = Sizes::of(&q, &k);
        let mut mixed = vec![0.0; batch * head * query * head_size];
        if few_queries::fits(&q, &k, &v) {
            let heads = few_queries::heads_together(batch, head);
            rows::fill(&mut mixed, heads * query * head_size, |index, mixed| {
                let [row, first] = [index * heads / head, index * heads % head];
                few_queries::attend(mixed, [&q, &k, &v], [row, first], scale(&q) as f32, |scores, head| {
                    finish(scores, key, mask.as_ref(), [row, head]);
                });
            });
            return rows::tensor(mixed, [batch, head, query, head_size]);
        }
        rows::fill(&mut mixed, query * head_size, |index, mixed| {
            let at = [index / head, index % head];
            let mut weights = vec![0.0; query * key];
            weigh(&mut weights, &q, &k, mask.as_ref(), at);
            product_into(mixed, Matrix::new(&weights, key), Matrix::of(&v, &at), 1.0);
        });
        rows::tensor(mixed, [batch, head, query, head_size])
    }

    fn attend_with_weights(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: Option<BoolTensor<Self>>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        assert_eq!(q.dtype(), DType::F32, "attention is trained in 32 bits on the CPU");
        let Sizes { batch, head, query, key, head_size } = Sizes::of(&q, &k);
        let mut mixed = vec![0.0; batch * head * query * head_size];
        let mut weights = vec![0.0; batch * head * query * key];
        rows::fill_each([&mut mixed, &mut weights], [query * head_size, query * key], |index, [mixed, weights]| {
            let at = [index / head, index % head];
            weigh(weights, &q, &k, mask.as_ref(), at);
            product_into(mixed, Matrix::new(weights, key), Matrix::of(&v, &at), 1.0);
        });
        (rows::tensor(mixed, [batch, head, query, head_size]), rows::tensor(weights, [batch, head, query, key]))
    }

    fn attend_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let Sizes { batch, head, query, key, head_size } = Sizes::of(&q, &k);
        let scale = scale(&q) as f32;
        let weights: &[f32] = weights.storage();
        let (of_query, of_key) = (query * head_size, key * head_size);
        let mut grads = [of_query, of_key, of_key].map(|size| vec![0.0; batch * head * size]);
        rows::fill_each(grads.each_mut().map(Vec::as_mut_slice), [of_query, of_key, of_key], |index, grads| {
            let [q_grad, k_grad, v_grad] = grads;
            let at = [index / head, index % head];
            let weights = &weights[index * query * key..][..query * key];
            let grad = Matrix::of(&grad, &at);
            product_into(v_grad, Matrix::new(weights, key).transposed(), grad, 1.0);
            let mut scores_grad = vec![0.0; query * key];
            product_into(&mut scores_grad, grad, Matrix::of(&v, &at).transposed(), 1.0);
            rows::vectorized(|| softmax::backward_in_place(&mut scores_grad, weights, key));
            let scores_grad = Matrix::new(&scores_grad, key);
            product_into(q_grad, scores_grad, Matrix::of(&k, &at), scale);
            product_into(k_grad, scores_grad.transposed(), Matrix::of(&q, &at), scale);
        });
        let [q_grad, k_grad, v_grad] = grads;
        (
            rows::tensor(q_grad, [batch, head, query, head_size]),
            rows::tensor(k_grad, [batch, head, key, head_size]),
            rows::tensor(v_grad, [batch, head, key, head_size]),
        )
    }
}

struct Sizes {
    batch: usize,
    head: usize,
    query: usize,
    key: usize,
    head_size: usize,
}

impl Sizes {
    fn of(q: &FloatTensor<Flex>, k: &FloatTensor<Flex>) -> Self {
        let shape = q.layout().shape();
        Self { batch: shape[0], head: shape[1], query: shape[2], key: k.layout().shape()[2], head_size: shape[3] }
    }
}

/// The weights of one head of one row of the batch, `[query, key]`.
fn weigh(
    weights: &mut [f32],
    q: &FloatTensor<Flex>,
    k: &FloatTensor<Flex>,
    mask: Option<&BoolTensor<Flex>>,
    at: [usize; 2],
) {
    product_into(weights, Matrix::of(q, &at), Matrix::of(k, &at).transposed(), scale(q) as f32);
    finish(weights, k.layout().shape()[2], mask, at);
}

/// The softmax of the scores of one head of one row of the batch, `[query, key]`, without what is hidden.
fn finish(weights: &mut [f32], key: usize, mask: Option<&BoolTensor<Flex>>, at: [usize; 2]) {
    if let Some(mask) = mask {
        let strides: Vec<usize> = mask
            .layout()
            .strides()
            .iter()
            .map(|stride| usize::try_from(*stride).expect("masks are not flipped"))
            .collect();
        let first = mask.layout().start_offset() + at[0] * strides[0] + at[1] * strides[1];
        let hidden = &mask.bytes()[first..];
        for (query, scores) in weights.chunks_exact_mut(key).enumerate() {
            for (key, score) in scores.iter_mut().enumerate() {
                if hidden[query * strides[2] + key * strides[3]] != 0 {
                    *score = HIDDEN_SCORE;
                }
            }
        }
    }
    rows::vectorized(|| weights.chunks_exact_mut(key).for_each(softmax_row));
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{AttendSteps, Autodiff, BoolTensor, FloatTensor};

    #[derive(Debug)]
    struct FromWeights;

    impl<B: AttendSteps> Backward<B, 3> for FromWeights {
        type State = [FloatTensor<B>; 4];

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let [q, k, v, weights] = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            let (q, k, v) = B::attend_backward(q, k, v, weights, grad);
            for (parent, grad) in ops.parents.into_iter().zip([q, k, v]) {
                if let Some(node) = parent {
                    grads.register::<B>(node.id, grad);
                }
            }
        }
    }

    impl<B: AttendSteps, C: CheckpointStrategy> AttendSteps for Autodiff<B, C> {
        fn attend_maybe_masked(
            q: FloatTensor<Self>,
            k: FloatTensor<Self>,
            v: FloatTensor<Self>,
            mask: Option<BoolTensor<Self>>,
        ) -> FloatTensor<Self> {
            let [(q, q_node), (k, k_node), (v, v_node)] = [q.into_parts(), k.into_parts(), v.into_parts()];
            match FromWeights.prepare::<C>([q_node, k_node, v_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let (mixed, weights) = B::attend_with_weights(q.clone(), k.clone(), v.clone(), mask);
                    prep.finish([q, k, v, weights], mixed)
                }
                OpsKind::UnTracked(prep) => prep.finish(B::attend_maybe_masked(q, k, v, mask)),
            }
        }
    }
}
