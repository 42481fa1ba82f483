//! Random valid operands and attributes for every op.

mod data;
mod recurrent;
mod rng;

use lathe_ir::narrow::Rounding;
use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};
pub(crate) use rng::Rng;

/// Operands and attributes of one application of an op.
pub(crate) struct Case {
    /// Operands; `None` where an optional one is left out.
    pub(crate) operands: Vec<Option<Tensor>>,
    /// Attributes; the others have their defaults.
    pub(crate) attrs: Vec<(&'static str, Attr)>,
}

/// True for control flow, whose regions need graphs, and which may have no value at all.
pub(crate) fn has_regions(code: OpCode) -> bool {
    matches!(code, OpCode::If | OpCode::Loop | OpCode::Trap)
}

fn dims(sizes: &[usize]) -> Attr {
    Attr::dims(sizes.iter().map(|&size| Dim::from(size as i64)))
}

fn ints(values: &[usize]) -> Attr {
    Attr::Ints(values.iter().map(|&value| value as i64).collect())
}

/// A case that leaves no operand out.
fn case(operands: Vec<Tensor>, attrs: Vec<(&'static str, Attr)>) -> Case {
    Case { operands: operands.into_iter().map(Some).collect(), attrs }
}

fn int(value: usize) -> Attr {
    Attr::Int(value as i64)
}

/// A proposal for the op. Inference may refuse it, mostly for its element type; what it accepts must evaluate.
pub(crate) fn generate(code: OpCode, rng: &mut Rng) -> Case {
    use OpCode as O;
    let dtype = rng.dtype();
    let float = rng.pick(&[DType::F32, DType::F64, DType::F16, DType::BF16]);
    let shape = rng.shape(0, 4);
    let axis = if shape.is_empty() { 0 } else { rng.below(shape.len()) };
    match code {
        O::Const => {
            let tensor = rng.tensor(dtype, &shape);
            case(vec![], vec![("value", Attr::from(tensor))])
        }
        O::Neg
        | O::Abs
        | O::Sign
        | O::Floor
        | O::Ceil
        | O::Round
        | O::Relu
        | O::Square
        | O::Exp
        | O::Log
        | O::Sqrt
        | O::Recip
        | O::Sin
        | O::Cos
        | O::Tan
        | O::Asin
        | O::Acos
        | O::Atan
        | O::Sinh
        | O::Cosh
        | O::Tanh
        | O::Asinh
        | O::Acosh
        | O::Atanh
        | O::Erf
        | O::Sigmoid
        | O::Softplus
        | O::Silu
        | O::Mish
        | O::Gelu
        | O::GeluTanh
        | O::HardSwish
        | O::IsNan
        | O::Not
        | O::BitNot
        | O::LeakyRelu
        | O::Elu
        | O::HardSigmoid => case(vec![rng.tensor(dtype, &shape)], vec![]),
        O::Clip => {
            let bounds = [f64::NEG_INFINITY, -1e30, -1.5, 0.0, 2.0, 300.0, f64::INFINITY];
            let (lo, hi) = (rng.pick(&bounds), rng.pick(&bounds));
            case(vec![rng.tensor(dtype, &shape)], vec![("lo", Attr::float(lo)), ("hi", Attr::float(hi))])
        }
        O::IsInf => {
            let flags = vec![("pos", Attr::Bool(rng.flag())), ("neg", Attr::Bool(rng.flag()))];
            case(vec![rng.tensor(float, &shape)], flags)
        }
        O::BitCast => {
            let same: Vec<DType> = DType::all().filter(|to| to.bits() == dtype.bits()).collect();
            let to = rng.pick(&same);
            case(vec![rng.tensor(dtype, &shape)], vec![("to", Attr::DType(to))])
        }
        O::Cast => {
            let (to, saturate) = (rng.dtype(), Attr::Bool(rng.flag()));
            let round = Attr::str(rng.pick(Rounding::WORDS));
            case(
                vec![rng.tensor(dtype, &shape)],
                vec![("to", Attr::DType(to)), ("saturate", saturate), ("round", round)],
            )
        }
        O::Add
        | O::Sub
        | O::Mul
        | O::Div
        | O::Pow
        | O::Min
        | O::Max
        | O::Rem
        | O::Fmod
        | O::And
        | O::Or
        | O::Xor
        | O::BitAnd
        | O::BitOr
        | O::BitXor
        | O::Shl
        | O::Shr
        | O::Eq
        | O::Lt
        | O::Le => {
            let (a, b) = (rng.narrowed(&shape), rng.narrowed(&shape));
            case(vec![rng.tensor(dtype, &a), rng.tensor(dtype, &b)], vec![])
        }
        O::Where => {
            let (c, a, b) = (rng.narrowed(&shape), rng.narrowed(&shape), rng.narrowed(&shape));
            let operands = vec![rng.tensor(DType::Bool, &c), rng.tensor(dtype, &a), rng.tensor(dtype, &b)];
            case(operands, vec![])
        }
        O::Quantize => {
            let (a, b, c) = (rng.narrowed(&shape), rng.narrowed(&shape), rng.narrowed(&shape));
            let operands = vec![rng.tensor(float, &a), rng.tensor(float, &b), rng.tensor(float, &c)];
            case(operands, vec![("lo", Attr::float(-8.0)), ("hi", Attr::float(7.0))])
        }
        O::Reshape => {
            let mut to = match rng.below(3) {
                0 => vec![shape.iter().product()],
                1 => shape.iter().rev().copied().collect(),
                _ => shape.clone(),
            };
            to.insert(rng.below(to.len() + 1), 1);
            case(vec![rng.tensor(dtype, &shape)], vec![("shape", dims(&to))])
        }
        O::Transpose => {
            let mut perm: Vec<usize> = (0..shape.len()).collect();
            for at in 1..perm.len() {
                perm.swap(at, rng.below(at + 1));
            }
            case(vec![rng.tensor(dtype, &shape)], vec![("perm", ints(&perm))])
        }
        O::Broadcast => {
            let from = rng.narrowed(&shape);
            case(vec![rng.tensor(dtype, &from)], vec![("shape", dims(&shape))])
        }
        O::Slice => {
            let (mut starts, mut sizes, mut steps) = (Vec::new(), Vec::new(), Vec::new());
            for &size in &shape {
                let step: i64 = rng.pick(&[1, 1, 2, 3, -1, -2]);
                let start = if size == 0 { 0 } else { rng.below(size) };
                let most = match (size, step) {
                    (0, _) => 0,
                    (_, step) if step > 0 => (size - 1 - start) / step as usize + 1,
                    (_, step) => start / step.unsigned_abs() as usize + 1,
                };
                starts.push(start);
                sizes.push(rng.within(0, most));
                steps.push(step);
            }
            let attrs = vec![("starts", dims(&starts)), ("sizes", dims(&sizes)), ("steps", Attr::ints(&steps))];
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
        O::Concat => {
            let shape = rng.shape(1, 4);
            let axis = rng.below(shape.len());
            let count = rng.within(1, 3);
            let mut operand = || {
                let mut shape = shape.clone();
                shape[axis] = rng.within(0, 3);
                rng.tensor(dtype, &shape)
            };
            case((0..count).map(|_| operand()).collect(), vec![("axis", int(axis))])
        }
        O::Pad => {
            let amounts = |rng: &mut Rng| shape.iter().map(|_| rng.below(4)).collect::<Vec<_>>();
            let (before, after) = (amounts(rng), amounts(rng));
            let mode = rng.pick(&["constant", "reflect", "edge", "wrap"]);
            let mut operands = vec![rng.tensor(dtype, &shape)];
            if mode == "constant" && rng.flag() {
                operands.push(rng.tensor(dtype, &[]));
            }
            case(operands, vec![("before", dims(&before)), ("after", dims(&after)), ("mode", Attr::str(mode))])
        }
        O::Gather => {
            let shape = nonempty(rng, 1);
            let axis = rng.below(shape.len());
            let at = rng.shape(0, 2);
            let indices = rng.indices(&at, |_| shape[axis]);
            case(vec![rng.tensor(dtype, &shape), indices], vec![("axis", int(axis))])
        }
        O::GatherElements | O::ScatterElements => {
            let shape = nonempty(rng, 1);
            let axis = rng.below(shape.len());
            let mut at: Vec<usize> = shape.iter().map(|&size| rng.within(0, size)).collect();
            at[axis] = rng.below(6);
            let indices = rng.indices(&at, |_| shape[axis]);
            let mut operands = vec![rng.tensor(dtype, &shape), indices];
            let mut attrs = vec![("axis", int(axis))];
            if code == O::ScatterElements {
                operands.push(rng.tensor(dtype, &at));
                attrs.push(("reduction", Attr::str(rng.pick(&["none", "add", "mul", "max", "min"]))));
            }
            case(operands, attrs)
        }
        O::GatherNd | O::ScatterNd => {
            let shape = nonempty(rng, 1);
            let batch = if code == O::GatherNd { rng.below(shape.len()) } else { 0 };
            let tuple = rng.within(1, shape.len() - batch);
            let mut at = shape[..batch].to_vec();
            at.extend(rng.shape(0, 2));
            at.push(tuple);
            let indices = rng.indices(&at, |position| shape[batch + position % tuple]);
            let x = rng.tensor(dtype, &shape);
            if code == O::GatherNd {
                return case(vec![x, indices], vec![("batch_dims", int(batch))]);
            }
            let updates: Vec<usize> = at[..at.len() - 1].iter().chain(&shape[tuple..]).copied().collect();
            let reduction = Attr::str(rng.pick(&["none", "add", "mul", "max", "min"]));
            case(vec![x, indices, rng.tensor(dtype, &updates)], vec![("reduction", reduction)])
        }
        O::DynSlice => {
            let sizes: Vec<usize> = shape.iter().map(|&size| rng.within(0, size)).collect();
            let starts: Vec<i64> = shape.iter().map(|_| rng.below(9) as i64 - 3).collect();
            let starts = Tensor::from_i64(DType::I64, &[shape.len()], &starts);
            case(vec![rng.tensor(dtype, &shape), starts], vec![("sizes", dims(&sizes))])
        }
        O::DataSize | O::NonZero | O::Unique | O::Nms => data::op(code, dtype, rng),
        O::Iota => case(vec![], vec![("shape", dims(&shape)), ("axis", int(axis)), ("dtype", Attr::DType(dtype))]),
        O::Dims => case(vec![], vec![("values", dims(&shape))]),
        O::ReduceSum | O::ReduceMean | O::ReduceMax | O::ReduceMin | O::ReduceProd => {
            let shape = if code == O::ReduceMean { nonempty(rng, 0) } else { shape };
            let axes: Vec<usize> = (0..shape.len()).filter(|_| rng.flag()).collect();
            let attrs = vec![("axes", ints(&axes)), ("keepdims", Attr::Bool(rng.flag()))];
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
        O::ArgMax | O::ArgMin => {
            let attrs =
                vec![("axis", int(axis)), ("keepdims", Attr::Bool(rng.flag())), ("last", Attr::Bool(rng.flag()))];
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
        O::CumSum => {
            let attrs =
                vec![("axis", int(axis)), ("exclusive", Attr::Bool(rng.flag())), ("reverse", Attr::Bool(rng.flag()))];
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
        O::TopK => {
            let k = rng.within(0, shape.get(axis).copied().unwrap_or(0));
            let attrs = vec![("axis", int(axis)), ("k", dims(&[k])), ("largest", Attr::Bool(rng.flag()))];
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
        O::Softmax | O::LogSoftmax => case(vec![rng.tensor(float, &shape)], vec![("axis", int(axis))]),
        O::LayerNorm | O::RmsNorm => {
            let mut operands = vec![Some(rng.tensor(float, &shape))];
            for _ in 0..if code == O::LayerNorm { 2 } else { 1 } {
                operands.push(rng.flag().then(|| rng.tensor(float, &shape[axis..])));
            }
            Case { operands, attrs: vec![("axis", int(axis)), ("eps", Attr::float(1e-5))] }
        }
        O::MatMul => {
            let (m, n, k) = (rng.size(0, 4), rng.size(0, 4), rng.size(0, 4));
            let batch = rng.shape(0, 2);
            let matrix = |rng: &mut Rng, rows, columns| {
                let mut shape = rng.narrowed(&batch);
                shape.extend([rows, columns]);
                rng.tensor(dtype, &shape)
            };
            let (a, b) = (matrix(rng, m, k), matrix(rng, k, n));
            let lead = |x: &Tensor| x.shape()[..x.shape().len() - 2].to_vec();
            let mut shape = broadcast(&lead(&a), &lead(&b));
            shape.extend([m, n]);
            let bias = rng.flag().then(|| rng.tensor(dtype, &[n]));
            let residual = rng.flag().then(|| rng.tensor(dtype, &shape));
            let act = if dtype.is_float() { rng.pick(lathe_ir::activation::ACTIVATIONS) } else { "none" };
            Case { operands: vec![Some(a), Some(b), bias, residual], attrs: vec![("act", Attr::str(act))] }
        }
        O::Attention => {
            let mut lead = rng.shape(1, 2);
            let [rows, keys, depth, width] = [0; 4].map(|_| if rng.below(8) == 0 { 0 } else { rng.size(1, 4) });
            let tensor = |rng: &mut Rng, a, b| {
                let shape: Vec<usize> = lead.iter().copied().chain([a, b]).collect();
                rng.tensor(float, &shape)
            };
            let operands = [tensor(rng, rows, depth), tensor(rng, keys, depth), tensor(rng, keys, width)];
            lead.extend([rows, keys]);
            let mask = rng.narrowed(&lead);
            let mask = rng.flag().then(|| rng.tensor(float, &mask));
            let operands = operands.into_iter().map(Some).chain([mask]).collect();
            Case { operands, attrs: vec![("scale", Attr::float(0.5)), ("causal", Attr::Bool(rng.flag()))] }
        }
        O::Lstm | O::Gru | O::Rnn => recurrent::cell(code, rng),
        O::Conv | O::ConvTranspose | O::MaxPool | O::AvgPool => windows(code, rng),
        // Control flow is not drawn, see [`has_regions`].
        O::If | O::Loop | O::Trap => case(Vec::new(), Vec::new()),
        O::Resize => {
            let shape: Vec<usize> = shape.iter().map(|&size| size.max(1)).collect();
            let sizes: Vec<usize> = shape.iter().map(|_| rng.below(7)).collect();
            let mut attrs = vec![("sizes", dims(&sizes))];
            attrs.push(("mode", Attr::str(rng.pick(&["nearest", "linear", "cubic"]))));
            let coordinates =
                ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"];
            attrs.push(("coordinates", Attr::str(rng.pick(&coordinates))));
            attrs.push(("nearest", Attr::str(rng.pick(&["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]))));
            attrs.push(("exclude_outside", Attr::Bool(rng.flag())));
            attrs.push(("antialias", Attr::Bool(rng.flag())));
            if rng.flag() && !sizes.contains(&0) {
                let scale = |(&from, &to): (&usize, &usize)| (to as f64 + 0.4) / from as f64;
                let bits: Vec<i64> = shape.iter().zip(&sizes).map(|pair| scale(pair).to_bits().cast_signed()).collect();
                attrs.push(("scale_bits", Attr::ints(&bits)));
            }
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
    }
}

fn nonempty(rng: &mut Rng, least: usize) -> Vec<usize> {
    rng.shape(least, 4).into_iter().map(|size| size.max(1)).collect()
}

fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank).map(|axis| if at(a, axis) == 1 { at(b, axis) } else { at(a, axis) }).collect()
}

/// Convolutions and pools of 1 to 3 spatial axes.
fn windows(code: OpCode, rng: &mut Rng) -> Case {
    let float = rng.pick(&[DType::F32, DType::F64]);
    let spatial = rng.within(1, 3);
    let draw = |rng: &mut Rng, low: usize, high: usize| (0..spatial).map(|_| rng.within(low, high)).collect::<Vec<_>>();
    let (kernel, strides, dilations) = (draw(rng, 1, 3), draw(rng, 1, 3), draw(rng, 1, 2));
    let (before, after) = (draw(rng, 0, 2), draw(rng, 0, 2));
    let mut attrs = vec![
        ("strides", ints(&strides)),
        ("dilations", ints(&dilations)),
        ("pads_before", ints(&before)),
        ("pads_after", ints(&after)),
    ];
    let groups = rng.within(1, 2);
    let [batch, inner, outer] = [0; 3].map(|_| if rng.below(12) == 0 { 0 } else { rng.size(1, 2) });
    let batch = batch.min(3);
    let mut shape = vec![batch];
    shape.extend(draw(rng, 0, 6));
    let weights = |rng: &mut Rng, a: usize, b: usize| {
        let shape: Vec<usize> = [a, b].into_iter().chain(kernel.iter().copied()).collect();
        rng.tensor(float, &shape)
    };
    match code {
        OpCode::Conv => {
            shape.push(inner * groups);
            let (x, w) = (rng.tensor(float, &shape), weights(rng, outer * groups, inner));
            let mut result = vec![batch];
            for axis in 0..spatial {
                let room = (shape[axis + 1] + before[axis] + after[axis]) as i64;
                let span = (dilations[axis] * (kernel[axis] - 1) + 1) as i64;
                result.push(usize::try_from((room - span).div_euclid(strides[axis] as i64) + 1).unwrap_or(0));
            }
            result.push(outer * groups);
            let bias = rng.flag().then(|| rng.tensor(float, &[outer * groups]));
            let residual = rng.flag().then(|| rng.tensor(float, &result));
            attrs.push(("groups", int(groups)));
            attrs.push(("act", Attr::str(rng.pick(lathe_ir::activation::ACTIVATIONS))));
            Case { operands: vec![Some(x), Some(w), bias, residual], attrs }
        }
        OpCode::ConvTranspose => {
            shape.push(inner * groups);
            let (x, w) = (rng.tensor(float, &shape), weights(rng, inner * groups, outer));
            let bias = rng.flag().then(|| rng.tensor(float, &[outer * groups]));
            attrs.push(("output_padding", ints(&draw(rng, 0, 1))));
            attrs.push(("groups", int(groups)));
            Case { operands: vec![Some(x), Some(w), bias], attrs }
        }
        _ => {
            shape.push(inner);
            let dtype = if code == OpCode::MaxPool { rng.dtype() } else { float };
            attrs.push(("kernel", ints(&kernel)));
            attrs.push(("ceil", Attr::Bool(rng.flag())));
            if code == OpCode::AvgPool {
                attrs.push(("count_include_pad", Attr::Bool(rng.flag())));
            }
            Case { operands: vec![Some(rng.tensor(dtype, &shape))], attrs }
        }
    }
}
