//! What changed between operator versions: one table, by which nodes of older opsets get the newest form on import.
//!
//! Import functions know the newest form only. A row applies to nodes whose operator version is older than `at`; rows
//! of one operator apply in order, so older changes come first. Changes that only widened element types, or added an
//! attribute whose default is the old behaviour, need no row.

use lathe_ir::{DType, Dim, Tensor};

use super::attrs::AttrValue;
use super::node::NodeCx;
use super::values::{R, invalid, unsupported};

/// One change.
struct Row {
    /// Operators of the standard domain.
    ops: &'static [&'static str],
    /// First version with the new form.
    at: i64,
    /// How the old form becomes the new one.
    change: Change,
}

/// How an old form becomes the new one.
enum Change {
    /// A list of integers became input `.1`.
    IntsToInput(&'static str, usize),
    /// An integer became input `.1`, a list of one.
    IntToInput(&'static str, usize),
    /// A float became input `.1`, a scalar of the first input's element type.
    FloatToInput(&'static str, usize),
    /// An attribute got another name.
    Rename(&'static str, &'static str),
    /// An integer attribute had another default.
    OldDefault(&'static str, i64),
    /// A float attribute had another default.
    OldFloat(&'static str, f32),
    /// An attribute went away; what it meant has been converted by an earlier row or does not matter for results.
    Dropped(&'static str),
    /// Something else.
    Custom(fn(&mut NodeCx<'_, '_>) -> R<()>),
}

use Change::{Custom, Dropped, FloatToInput, IntToInput, IntsToInput, OldDefault, OldFloat, Rename};

const fn row(ops: &'static [&'static str], at: i64, change: Change) -> Row {
    Row { ops, at, change }
}

const BROADCASTING: &[&str] = &["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"];

const ROWS: &[Row] = &[
    // Element by element: before 7 the second operand was broadcast only when asked, from a given axis on.
    row(BROADCASTING, 7, Custom(legacy_broadcast)),
    row(BROADCASTING, 7, Dropped("broadcast")),
    row(BROADCASTING, 7, Dropped("axis")),
    row(&["PRelu"], 7, Custom(legacy_slope)),
    // Without `broadcast`, C had exactly the result's shape, which broadcasting includes.
    row(&["Gemm"], 7, Dropped("broadcast")),
    row(&["Selu"], 6, OldFloat("alpha", 1.6732)),
    row(&["Selu"], 6, OldFloat("gamma", 1.0507)),
    row(&["Clip"], 11, FloatToInput("min", 1)),
    row(&["Clip"], 11, FloatToInput("max", 2)),
    row(&["Cast"], 6, Custom(cast_to_name)),
    // Softmax and its kin saw the input as a matrix, the axis as where its columns begin.
    row(&["Softmax", "LogSoftmax", "Hardmax"], 13, OldDefault("axis", 1)),
    row(&["Softmax", "LogSoftmax", "Hardmax"], 13, Custom(coerce_to_matrix)),
    // Reductions.
    row(&["ReduceSum"], 13, IntsToInput("axes", 1)),
    row(
        &[
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSumSquare",
        ],
        18,
        IntsToInput("axes", 1),
    ),
    row(&["TopK"], 10, IntToInput("k", 1)),
    // Shapes and movement.
    row(&["Reshape"], 5, IntsToInput("shape", 1)),
    row(&["Squeeze", "Unsqueeze"], 13, IntsToInput("axes", 1)),
    row(&["Split"], 13, IntsToInput("split", 1)),
    row(&["Split"], 18, Custom(split_evenly)),
    row(&["Slice"], 10, IntsToInput("starts", 1)),
    row(&["Slice"], 10, IntsToInput("ends", 2)),
    row(&["Slice"], 10, IntsToInput("axes", 3)),
    row(&["Concat"], 4, OldDefault("axis", 1)),
    row(&["Pad"], 2, Rename("paddings", "pads")),
    row(&["Pad"], 11, IntsToInput("pads", 1)),
    row(&["Pad"], 11, FloatToInput("value", 2)),
    // Resizing: Upsample is Resize with scales and no choice of coordinates.
    row(&["Upsample"], 7, Custom(upsample_scales)),
    row(&["Upsample"], 9, Custom(scales_to_input)),
    row(&["Upsample", "Resize"], 11, Custom(resize_before_11)),
    // Normalisation.
    row(&["BatchNormalization"], 7, Dropped("is_test")),
    row(&["BatchNormalization"], 9, Custom(spatial_only)),
    row(&["BatchNormalization"], 9, Dropped("spatial")),
    row(&["Dropout"], 7, Dropped("is_test")),
    row(&["Dropout"], 12, Dropped("ratio")),
    row(&["GroupNormalization"], 21, Custom(scale_per_group)),
    // Whether Y is wanted is told by the graph.
    row(&["LSTM", "GRU", "RNN"], 7, Dropped("output_sequence")),
];

/// Gives the node the newest form.
pub(super) fn upgrade(cx: &mut NodeCx<'_, '_>, domain: &str) -> R<()> {
    if !domain.is_empty() {
        return Ok(());
    }
    let (op, version) = (cx.op, cx.version);
    for row in ROWS.iter().filter(|row| row.ops.contains(&op)) {
        if version < row.at {
            apply(cx, &row.change)?;
        } else if let Some(name) = row.change.old_attribute()
            && cx.attrs.get(name).is_some()
        {
            return invalid(format!("attribute {name} does not exist since opset {}", row.at));
        }
    }
    Ok(())
}

impl Change {
    /// The attribute that the new form does not have.
    fn old_attribute(&self) -> Option<&'static str> {
        match self {
            IntsToInput(name, _) | IntToInput(name, _) | FloatToInput(name, _) | Rename(name, _) | Dropped(name) => {
                Some(name)
            }
            OldDefault(..) | OldFloat(..) | Custom(_) => None,
        }
    }
}

fn apply(cx: &mut NodeCx<'_, '_>, change: &Change) -> R<()> {
    match change {
        IntsToInput(name, index) => {
            if let Some(values) = cx.attrs.ints(name)?.map(<[i64]>::to_vec) {
                cx.attrs.remove(name);
                let tensor = Tensor::from_i64(DType::I64, &[values.len()], &values);
                set_input(cx, *index, tensor);
            }
        }
        IntToInput(name, index) => {
            if let Some(value) = cx.attrs.int(name)? {
                cx.attrs.remove(name);
                set_input(cx, *index, Tensor::from_i64(DType::I64, &[1], &[value]));
            }
        }
        FloatToInput(name, index) => {
            if let Some(value) = cx.attrs.float(name)? {
                cx.attrs.remove(name);
                let first = cx.input(0)?;
                let dtype = cx.dtype(first)?;
                set_input(cx, *index, Tensor::scalar(dtype, value));
            }
        }
        Rename(old, new) => {
            if let Some(value) = cx.attrs.remove(old) {
                cx.attrs.set(new, value);
            }
        }
        Dropped(name) => {
            cx.attrs.remove(name);
        }
        OldDefault(name, value) => cx.attrs.set_default(name, AttrValue::Int(*value)),
        OldFloat(name, value) => cx.attrs.set_default(name, AttrValue::Float(*value)),
        Custom(run) => run(cx)?,
    }
    Ok(())
}

fn set_input(cx: &mut NodeCx<'_, '_>, index: usize, tensor: Tensor) {
    let val = cx.constant("", tensor);
    while cx.inputs.len() <= index {
        cx.inputs.push(None);
    }
    cx.inputs[index] = Some(val);
}

/// `broadcast = 1`: the second operand's axes are the first one's from `axis` on (by default its last ones).
fn legacy_broadcast(cx: &mut NodeCx<'_, '_>) -> R<()> {
    let (broadcast, axis) = (cx.flag_or("broadcast", false)?, cx.attrs.int("axis")?);
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let (a_shape, b_shape) = (cx.shape(a)?, cx.shape(b)?);
    if !broadcast {
        if a_shape.len() != b_shape.len() {
            return invalid("shapes differ and broadcast is 0");
        }
        return Ok(());
    }
    let (a_rank, b_rank) = (a_shape.len() as i64, b_shape.len() as i64);
    let axis = match axis {
        Some(axis) if axis < 0 => axis + a_rank,
        Some(axis) => axis,
        None => a_rank - b_rank,
    };
    let Some(trailing) = a_rank.checked_sub(axis).and_then(|rest| rest.checked_sub(b_rank)) else {
        return invalid("axis is out of range");
    };
    if axis < 0 || trailing < 0 {
        return invalid(format!("a second operand of rank {b_rank} does not fit at axis {axis} of rank {a_rank}"));
    }
    let shape = b_shape.into_iter().chain((0..trailing).map(|_| Dim::ONE));
    let b = cx.reshape(b, shape)?;
    cx.inputs[1] = Some(b);
    Ok(())
}

/// A slope of [C] belonged to axis 1.
fn legacy_slope(cx: &mut NodeCx<'_, '_>) -> R<()> {
    let (x, slope) = (cx.input(0)?, cx.input(1)?);
    let (rank, shape) = (cx.rank(x)?, cx.shape(slope)?);
    if shape.len() == 1 && !shape[0].is(1) && rank > 2 {
        let slope = cx.reshape(slope, shape.into_iter().chain((2..rank).map(|_| Dim::ONE)))?;
        cx.inputs[1] = Some(slope);
    }
    Ok(())
}

/// The target type was a name.
fn cast_to_name(cx: &mut NodeCx<'_, '_>) -> R<()> {
    let Some(name) = cx.attrs.word("to")?.map(str::to_lowercase) else { return Ok(()) };
    let Some(code) = (1..=16).find(|&code| crate::onnx::dtype::name(code) == Some(&name)) else {
        return unsupported(format!("to = {name:?} is no known element type"));
    };
    cx.attrs.set("to", AttrValue::Int(code.into()));
    Ok(())
}

fn coerce_to_matrix(cx: &mut NodeCx<'_, '_>) -> R<()> {
    cx.attrs.set("as_matrix", AttrValue::Int(1));
    Ok(())
}

/// Without sizes the parts were as many as the outputs.
fn split_evenly(cx: &mut NodeCx<'_, '_>) -> R<()> {
    if cx.opt(1).is_none() {
        let count = cx.wanted.len() as i64;
        cx.attrs.set("num_outputs", AttrValue::Int(count));
        cx.attrs.set("exact", AttrValue::Int(1));
    }
    Ok(())
}

fn upsample_scales(cx: &mut NodeCx<'_, '_>) -> R<()> {
    let scale = |cx: &NodeCx<'_, '_>, name| Ok::<_, super::values::Fail>(cx.attrs.float(name)?.unwrap_or(1.0) as f32);
    let (height, width) = (scale(cx, "height_scale")?, scale(cx, "width_scale")?);
    cx.attrs.remove("height_scale");
    cx.attrs.remove("width_scale");
    cx.attrs.set("scales", AttrValue::Floats(vec![1.0, 1.0, height, width]));
    Ok(())
}

fn scales_to_input(cx: &mut NodeCx<'_, '_>) -> R<()> {
    let Some(scales) = cx.attrs.floats("scales")?.map(<[f32]>::to_vec) else {
        return invalid("attribute scales is missing");
    };
    cx.attrs.remove("scales");
    set_input(cx, 1, Tensor::from_f32(&[scales.len()], &scales));
    Ok(())
}

/// There was no region of interest, coordinates were asymmetric and the nearest one was the floor.
fn resize_before_11(cx: &mut NodeCx<'_, '_>) -> R<()> {
    let scales = cx.opt(1);
    cx.inputs.truncate(1);
    cx.inputs.extend([None, scales]);
    cx.attrs.set("coordinate_transformation_mode", AttrValue::Str("asymmetric".to_owned()));
    cx.attrs.set("nearest_mode", AttrValue::Str("floor".to_owned()));
    Ok(())
}

fn spatial_only(cx: &mut NodeCx<'_, '_>) -> R<()> {
    if cx.int_or("spatial", 1)? != 1 {
        return unsupported("spatial = 0, statistics for each position");
    }
    Ok(())
}

/// Scale and bias were one for each group, not one for each channel.
fn scale_per_group(cx: &mut NodeCx<'_, '_>) -> R<()> {
    cx.attrs.set("per_group", AttrValue::Int(1));
    Ok(())
}
