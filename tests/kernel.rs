//! Kernels against what they compute in plain tensor operations, values and gradients.
//!
//! The CPU has loops of its own, a GPU (a software one here) runs the reference; both are also held
//! to Burn's operations in 64 bits on the CPU. Tolerance: sums of up to a thousand 32-bit numbers
//! around 1 leave errors of up to 1e-6, and a layer norm multiplies them by one over the deviation, at most 3 here.

use burn::tensor::activation::{gelu as exact_gelu, softmax as exact_softmax};
use burn::tensor::{Bool, DType, Device, Distribution, Int, Tensor, TensorData};
use medley::kernel::{attention, cross_entropy, dropout_mask, gelu, layer_norm, linear, softmax};
use medley_tests::{device, values};

const RELATIVE: f32 = 1e-5;

/// One row, one column, odd widths, more rows than a thread takes at a time.
const SHAPES: [[usize; 2]; 6] = [[1, 1], [1, 17], [5, 3], [7, 197], [64, 577], [500, 130]];

/// Numbers that are the same on every device.
fn numbers(shape: [usize; 2], seed: usize, scale: f32) -> TensorData {
    let draw = |index: usize| {
        let bits = (index + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) as u32;
        (bits.wrapping_mul(0x9E37_79B1) >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    TensorData::new((0..shape[0] * shape[1]).map(|index| scale * draw(index)).collect::<Vec<f32>>(), shape)
}

fn labels([rows, vocab]: [usize; 2], device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i32> = (0..rows).map(|row| (row * 31 % vocab) as i32).collect();
    Tensor::from_data(TensorData::from(labels.as_slice()), device)
}

fn assert_close(name: &str, shape: [usize; 2], found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name} {shape:?}");
    let largest = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= RELATIVE * largest, "{name} {shape:?}: {found} is not {expected}");
    }
}

/// A value and the gradients of its inputs, weighted by fixed numbers.
fn with_gradients<const N: usize>(
    inputs: [TensorData; N],
    device: &Device,
    dtype: DType,
    compute: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) -> Vec<Vec<f32>> {
    let device = device.clone().autodiff();
    let inputs = inputs.map(|data| Tensor::<2>::from_data(data, &device).cast(dtype).require_grad());
    let output = compute(inputs.clone());
    let weights = Tensor::<2>::from_data(numbers(output.dims(), 9, 1.0), &device).cast(dtype);
    let grads = (output.clone() * weights).sum().backward();
    let read = |tensor: Tensor<2>| values(tensor.cast(DType::F32));
    let grads = inputs.iter().map(|input| read(input.grad(&grads).expect("every input has a gradient")));
    std::iter::once(read(output.inner())).chain(grads).collect()
}

/// Compares a kernel on both devices with Burn's operations in 64 bits.
fn check<const N: usize>(
    name: &str,
    inputs: impl Fn([usize; 2]) -> [TensorData; N],
    kernel: impl Fn([Tensor<2>; N]) -> Tensor<2>,
    exact: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    for shape in SHAPES {
        let expected = with_gradients(inputs(shape), &device("cpu"), DType::F64, &exact);
        for place in ["cpu", "gpu"] {
            let found = with_gradients(inputs(shape), &device(place), DType::F32, &kernel);
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_close(&format!("{name} on {place}, part {part}"), shape, found, expected);
            }
        }
    }
}

#[test]
fn gelu_and_its_gradient_are_exact() {
    check("gelu", |shape| [numbers(shape, 1, 6.0)], |[x]| gelu(x), |[x]| exact_gelu(x));
}

#[test]
fn softmax_and_its_gradient_are_exact() {
    check("softmax", |shape| [numbers(shape, 2, 20.0)], |[x]| softmax(x), |[x]| exact_softmax(x, 1));
}

#[test]
fn layer_norm_and_its_gradients_are_exact() {
    let exact = |[x, gamma, beta]: [Tensor<2>; 3]| {
        let centred = x.clone() - x.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        centred / (variance + 0.1).sqrt() * gamma + beta
    };
    let inputs =
        |shape: [usize; 2]| [numbers(shape, 3, 3.0), numbers([1, shape[1]], 4, 1.5), numbers([1, shape[1]], 5, 1.0)];
    check("layer norm", inputs, |[x, gamma, beta]| layer_norm(x, gamma.flatten(0, 1), beta.flatten(0, 1), 0.1), exact);
}

#[test]
fn cross_entropy_and_its_gradient_are_exact() {
    for smoothing in [0.0, 0.1] {
        let kernel = |[logits]: [Tensor<2>; 1]| {
            let labels = labels(logits.dims(), &logits.device());
            cross_entropy(logits, labels, smoothing).unsqueeze_dim(1)
        };
        let exact = |[logits]: [Tensor<2>; 1]| {
            let [rows, _] = logits.dims();
            let labels = labels(logits.dims(), &logits.device()).reshape([rows, 1]);
            let surprise = -burn::tensor::activation::log_softmax(logits, 1);
            surprise.clone().gather(1, labels) * (1.0 - smoothing) + surprise.mean_dim(1) * smoothing
        };
        check("cross-entropy", |shape| [numbers(shape, 6, 8.0)], kernel, exact);
    }
}

#[test]
fn linear_and_its_gradients_are_exact() {
    let inputs = |shape: [usize; 2]| {
        let [_, width] = shape;
        [numbers(shape, 10, 1.0), numbers([width, 19], 11, 0.1), numbers([1, 19], 12, 1.0)]
    };
    let exact = |[x, weight, bias]: [Tensor<2>; 3]| x.matmul(weight) + bias;
    check("linear", inputs, |[x, weight, bias]| linear(x, weight, bias.flatten(0, 1)), exact);
    // The output layer's matrix is a table used transposed.
    let turned = |shape: [usize; 2]| {
        let [x, _, bias] = inputs(shape);
        [x, numbers([19, shape[1]], 11, 0.1), bias]
    };
    let exact = |[x, table, bias]: [Tensor<2>; 3]| x.matmul(table.transpose()) + bias;
    check("turned", turned, |[x, table, bias]| linear(x, table.transpose(), bias.flatten(0, 1)), exact);
}

#[test]
fn attention_and_its_gradients_are_exact() {
    // Two rows of a batch, three heads of five numbers: rows of 30 for each query or key.
    let split = |x: Tensor<2>| {
        let [token, _] = x.dims();
        x.reshape([token, 2, 3, 5]).permute([1, 2, 0, 3]) // [batch, head, token, head_size]
    };
    let merge = |x: Tensor<4>| x.permute([2, 0, 1, 3]).flatten::<3>(2, 3).flatten::<2>(1, 2);
    for is_masked in [false, true] {
        let mask = |q: &Tensor<4>, k: &Tensor<4>| {
            let ([batch, head, query, _], [_, _, key, _]) = (q.dims(), k.dims());
            let hidden: Vec<bool> = (0..query * key).map(|at| at % key > at / key).collect();
            let hidden = Tensor::<2, Bool>::from_data(TensorData::new(hidden, [query, key]), &q.device());
            is_masked.then(|| hidden.reshape([1, 1, query, key]).expand([batch, head, query, key]))
        };
        let kernel = |[q, k, v]: [Tensor<2>; 3]| {
            let [q, k, v] = [q, k, v].map(split);
            let mask = mask(&q, &k);
            merge(attention(q, k, v, mask))
        };
        let exact = |[q, k, v]: [Tensor<2>; 3]| {
            let [q, k, v] = [q, k, v].map(split);
            let mask = mask(&q, &k);
            let scores = q.matmul(k.transpose()) * 5.0_f64.powf(-0.5);
            let scores = mask.into_iter().fold(scores, |scores, mask| scores.mask_fill(mask, -1e9));
            merge(exact_softmax(scores, 3).matmul(v))
        };
        let inputs = |[query, key]: [usize; 2]| {
            [numbers([query, 30], 13, 2.0), numbers([key, 30], 14, 2.0), numbers([key, 30], 15, 1.0)]
        };
        check("attention", inputs, kernel, exact);
    }
}

#[test]
fn attention_that_nothing_learns_from_is_exact_for_few_queries_and_many() {
    // Heads of 20 numbers beside each other, as keys of an image lie, and one after the other, as a cache keeps them.
    let beside = |x: Tensor<2>| {
        let [rows, _] = x.dims();
        x.reshape([2, rows / 2, 3, 20]).swap_dims(1, 2) // [batch, head, token, head_size]
    };
    let after = |x: Tensor<2>| {
        let [rows, _] = x.dims();
        x.reshape([2, 3, rows / 2, 20])
    };
    let device = device("cpu");
    for (query, key) in [(1, 1), (1, 7), (1, 8), (1, 61), (3, 40), (8, 17), (9, 17)] {
        let inputs = [(query, 21), (key, 22), (key, 23)];
        let inputs = inputs.map(|(tokens, seed)| numbers([2 * tokens, 60], seed, 2.0));
        for (layout, split) in [("beside", &beside as &dyn Fn(Tensor<2>) -> Tensor<4>), ("after", &after)] {
            let read = |dtype| inputs.clone().map(|x| split(Tensor::<2>::from_data(x, &device).cast(dtype)));
            let hidden: Vec<bool> = (0..query * key).map(|at| at % key > at / key).collect();
            let hidden = Tensor::<2, Bool>::from_data(TensorData::new(hidden, [query, key]), &device);
            let hidden = hidden.reshape([1, 1, query, key]).expand([2, 3, query, key]);
            for mask in [None, Some(hidden)] {
                let [q, k, v] = read(DType::F32);
                let found = values(attention(q, k, v, mask.clone()));
                let [q, k, v] = read(DType::F64);
                let scores = q.matmul(k.transpose()) * 20.0_f64.powf(-0.5);
                let scores = mask.into_iter().fold(scores, |scores, mask| scores.mask_fill(mask, -1e9));
                let expected = values(exact_softmax(scores, 3).matmul(v).cast(DType::F32));
                assert_close(&format!("attention, heads {layout}"), [query, key], &found, &expected);
            }
        }
    }
}

#[test]
fn softmax_of_hidden_scores_is_zero() {
    for place in ["cpu", "gpu"] {
        let x = Tensor::<2>::from_data([[0.5, -1e9, 0.5, -1e9]], &device(place));
        assert_eq!(values(softmax(x)), [0.5, 0.0, 0.5, 0.0], "{place}");
    }
}

#[test]
fn kernels_read_views_as_tensor_operations_do() {
    let device = device("cpu");
    let x = Tensor::<2>::random([40, 30], Distribution::Normal(0.0, 1.0), &device);
    let view = || x.clone().swap_dims(0, 1).narrow(0, 3, 20).narrow(1, 5, 31);
    let copy = || Tensor::<2>::from_data(view().into_data(), &device);
    let ones = Tensor::<1>::ones([31], &device);
    assert_eq!(values(gelu(view())), values(gelu(copy())));
    assert_eq!(values(softmax(view())), values(softmax(copy())));
    let norm = |x| layer_norm(x, ones.clone(), ones.clone(), 1e-6);
    assert_eq!(values(norm(view())), values(norm(copy())));
    // What a kernel may write over is its own: the tensor it came from stays.
    let before = values(x.clone());
    let _ = (gelu(x.clone()), softmax(x.clone()));
    assert_eq!(values(x.clone()), before);
}

#[test]
fn dropout_keeps_its_share_and_repeats_itself_with_the_seed() {
    for place in ["cpu", "gpu"] {
        let device = device(place);
        let x = Tensor::<2>::zeros([300, 301], &device);
        let mask = |seed: u64| {
            device.seed(seed);
            values(dropout_mask(x.clone(), 0.9))
        };
        let first = mask(1);
        let kept = first.iter().filter(|value| **value > 0.0).count() as f64 / first.len() as f64;
        // Five standard deviations of 90,300 draws.
        assert!((kept - 0.9).abs() < 5.0 * (0.9 * 0.1 / 90_300.0_f64).sqrt(), "{place}: {kept}");
        assert!(first.iter().all(|value| *value == 0.0 || (value - 1.0 / 0.9).abs() < 1e-6));
        assert_eq!(first, mask(1), "{place}");
        assert_ne!(first, mask(2), "{place}");
    }
}
