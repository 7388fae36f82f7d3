//! A part of a model whose inner results are computed again when its gradient is asked for.
//!
//! Only its inputs stay in memory: a tower of twelve blocks needs that of one block and twelve
//! inputs. Burn's own checkpointing covers single operations that are bound by memory, never
//! matrix products.

use burn::module::Module;
use burn::tensor::Tensor;

/// Runs a part of a model and keeps its inputs alone; the backward pass runs it a second time.
///
/// Before either run the device's chance begins at `seed`, so that both drop the same. Without
/// autodiff it is a plain call.
///
/// # Shapes
/// - `inputs`: those the part learns through, at most three; others are `run`'s own
/// - returns what `run` returns
pub fn recompute<M, F, const N: usize, const D: usize, const E: usize>(
    module: &M,
    inputs: [Tensor<D>; N],
    seed: u64,
    run: F,
) -> Tensor<E>
where
    M: Module + 'static,
    F: Fn(&M, [Tensor<D>; N]) -> Tensor<E> + Send + 'static,
{
    const { assert!(N > 0 && N <= 3, "a part has one to three inputs") };
    let device = inputs[0].device();
    if !device.is_autodiff() {
        return run(module, inputs);
    }
    device.seed(seed);
    #[cfg(feature = "train")]
    return gradient::recompute(gradient::Part { module: module.clone(), seed, run }, inputs);
    #[cfg(not(feature = "train"))]
    run(module, inputs)
}

#[cfg(feature = "train")]
mod gradient {
    #[cfg(feature = "gpu")]
    use burn::backend::Cube;
    use burn::backend::autodiff::NodeId;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, Backend, DispatchKindConversion, Flex};
    use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
    use burn::tensor::{DispatchTensor, Tensor};

    /// What is run twice.
    pub struct Part<M, F> {
        pub module: M,
        pub seed: u64,
        pub run: F,
    }

    pub fn recompute<M, F, const N: usize, const D: usize, const E: usize>(
        part: Part<M, F>,
        inputs: [Tensor<D>; N],
    ) -> Tensor<E>
    where
        M: Module + 'static,
        F: Fn(&M, [Tensor<D>; N]) -> Tensor<E> + Send + 'static,
    {
        let inputs = inputs.map(Tensor::autodiff);
        // Without anything that learns, nothing of this run is kept.
        let still = part.module.clone().map(&mut Leaves { learn: None });
        let output = (part.run)(&still, inputs.clone().map(Tensor::detach)).inner();
        match output.clone().try_into_primitive::<Flex>() {
            Ok(output) => track::<Flex, _, _, N, D, E>(part, still, inputs, output),
            #[cfg(feature = "gpu")]
            Err(_) => track::<Cube, _, _, N, D, E>(part, still, inputs, primitive::<Cube, E>(output)),
            #[cfg(not(feature = "gpu"))]
            Err(error) => panic!("there is no other device: {error:?}"),
        }
    }

    /// Puts the output into the graph, behind the inputs.
    fn track<B, M, F, const N: usize, const D: usize, const E: usize>(
        part: Part<M, F>,
        still: M,
        inputs: [Tensor<D>; N],
        output: FloatTensor<B>,
    ) -> Tensor<E>
    where
        B: Backend,
        DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
        M: Module + 'static,
        F: Fn(&M, [Tensor<D>; N]) -> Tensor<E> + Send + 'static,
    {
        let mut weights = Weights::<B> { learn: Vec::new(), ids: Vec::new(), first: None };
        part.module.visit(&mut weights);
        let Weights { learn, ids, first } = weights;
        let inputs = inputs.map(primitive::<Autodiff<B>, D>);
        let input_ids = inputs.each_ref().map(|input| input.is_tracked().then(|| input.id()));
        // A part that reads nothing that learns hangs on one of its own weights. Four parents are
        // named whatever there are: one that is named twice counts once.
        let spare = || first.as_ref().map_or_else(|| inputs[0].node(), FloatTensor::<Autodiff<B>>::node);
        let parents: [NodeGuard; 4] =
            std::array::from_fn(|index| inputs.get(index).map_or_else(spare, FloatTensor::<Autodiff<B>>::node));

        let kept = inputs.map(FloatTensor::<Autodiff<B>>::into_primitive);
        let Part { seed, run, .. } = part;
        let again = move |grad: FloatTensor<B>| {
            let inputs = std::array::from_fn(|index| {
                let input = Tensor::<D>::from_primitive::<B>(kept[index].clone()).autodiff();
                if input_ids[index].is_some() { input.require_grad() } else { input }
            });
            drop(kept);
            let module = still.map(&mut Leaves { learn: Some(learn.into_iter()) });
            inputs[0].device().seed(seed);
            let output = run(&module, inputs.clone());
            // The gradient of this sum by the inputs is theirs times the one that came.
            let loss = (output * Tensor::<E>::from_primitive::<B>(grad).autodiff()).sum();
            let mut grads = loss.backward();
            let mut found = Vec::new();
            for (id, input) in input_ids.into_iter().zip(inputs) {
                if let (Some(id), Some(grad)) = (id, input.grad_remove(&mut grads)) {
                    found.push((id, primitive::<B, D>(grad)));
                }
            }
            module.visit(&mut Found::<B> { grads, ids: ids.into_iter(), found: &mut found });
            found
        };
        let output = Again::<B>(Box::new(again)).prepare::<NoCheckpointing>(parents).compute_bound().stateless(output);
        Tensor::from_primitive::<Autodiff<B>>(output)
    }

    fn primitive<B: Backend, const D: usize>(tensor: Tensor<D>) -> FloatTensor<B>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        tensor.try_into_primitive::<B>().expect("a part's tensors lie on one device")
    }

    /// Gradients by node: what a second run finds.
    type Pull<B> = dyn FnOnce(FloatTensor<B>) -> Vec<(NodeId, FloatTensor<B>)> + Send;

    /// The second run, given the gradient of the output.
    struct Again<B: Backend>(Box<Pull<B>>);

    impl<B: Backend> std::fmt::Debug for Again<B> {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("Again")
        }
    }

    impl<B: Backend> Backward<B, 4> for Again<B> {
        type State = ();

        fn backward(self, ops: Ops<(), 4>, grads: &mut Gradients, _: &mut Checkpointer) {
            let grad = grads.consume::<B>(&ops.node);
            for (node, grad) in (self.0)(grad) {
                grads.register::<B>(node, grad);
            }
        }
    }

    /// Weights as leaves of a graph of their own; those learn that `learn` says, or none.
    struct Leaves {
        learn: Option<std::vec::IntoIter<bool>>,
    }

    impl ModuleMapper for Leaves {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let learns = self.learn.as_mut().is_some_and(|learn| learn.next().unwrap_or(false));
            param.map(|weight| {
                let leaf = Tensor::from_inner(weight.inner());
                if learns { leaf.require_grad() } else { leaf }
            })
        }
    }

    /// Which weights learn, in order, and their places in the graph.
    struct Weights<B: Backend> {
        learn: Vec<bool>,
        ids: Vec<NodeId>,
        first: Option<FloatTensor<Autodiff<B>>>,
    }

    impl<B: Backend> ModuleVisitor for Weights<B>
    where
        DispatchTensor: DispatchKindConversion<Autodiff<B>>,
    {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weight = param.val();
            self.learn.push(weight.is_require_grad());
            if weight.is_require_grad() {
                let weight = primitive::<Autodiff<B>, D>(weight);
                self.ids.push(weight.id());
                self.first.get_or_insert(weight);
            }
        }
    }

    /// Gradients of weights, under the places they have in the outer graph.
    struct Found<'a, B: Backend> {
        grads: burn::tensor::Gradients,
        ids: std::vec::IntoIter<NodeId>,
        found: &'a mut Vec<(NodeId, FloatTensor<B>)>,
    }

    impl<B: Backend> ModuleVisitor for Found<'_, B>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weight = param.val();
            if !weight.is_require_grad() {
                return;
            }
            let id = self.ids.next().expect("a part has the same weights in both runs");
            if let Some(grad) = weight.grad_remove(&mut self.grads) {
                self.found.push((id, primitive::<B, D>(grad)));
            }
        }
    }
}
