//! Constants, values made from shapes, and operators that pass values through.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::known::{Elem, Known, MAX_KNOWN, few};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, needs_value, unsupported};

use super::elementwise::element_type;

/// Constant.
pub(super) fn constant(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let name = cx.constant_name();
    let tensor = if let Some(proto) = cx.attrs.tensor("value")? {
        if crate::onnx::dtype::STRING == proto.data_type {
            return one(cx.importer.values.opaque("a constant of element type string"));
        }
        cx.importer.attribute_tensor(proto)?
    } else if let Some(value) = cx.attrs.float("value_float")? {
        Tensor::scalar(DType::F32, value)
    } else if let Some(values) = cx.attrs.floats("value_floats")? {
        Tensor::from_f32(&[values.len()], values)
    } else if let Some(value) = cx.attrs.int("value_int")? {
        Tensor::from_i64(DType::I64, &[], &[value])
    } else if let Some(values) = cx.attrs.ints("value_ints")? {
        Tensor::from_i64(DType::I64, &[values.len()], values)
    } else if cx.attrs.names().any(|name| matches!(name, "value_string" | "value_strings")) {
        return one(cx.importer.values.opaque("a constant of element type string"));
    } else if cx.attrs.get("sparse_value").is_some() {
        return unsupported("sparse_value");
    } else {
        return invalid("no value");
    };
    one(cx.constant(&name, tensor))
}

/// Identity.
pub(super) fn identity(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    one(cx.input(0)?)
}

/// Dropout as it is in inference, or with nothing to drop: the identity. The mask is all true.
pub(super) fn dropout(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    if let Some(training) = cx.opt(2)
        && cx.const_ints(training, "training_mode")?.iter().any(|flag| *flag != 0)
    {
        let ratio = match cx.opt(1) {
            Some(ratio) => cx.all_elems(ratio)?,
            None => None,
        };
        match ratio.as_deref() {
            Some([Elem::Float(0.0)]) => {}
            None if cx.opt(1).is_some() => return needs_value("the ratio of a Dropout in training must be a constant"),
            _ => return unsupported("training_mode is on: what is dropped would be random; a ratio of 0 works"),
        }
    }
    if !cx.wants(1) {
        return one(x);
    }
    let yes = cx.constant("", Tensor::from_i64(DType::Bool, &[], &[1]));
    let shape = cx.shape(x)?;
    // Before opset 10 the mask had the element type of the data.
    let yes = if cx.version < 10 { cx.cast(yes, cx.dtype(x)?)? } else { yes };
    let mask = cx.op(OpCode::Broadcast, &[yes], &[("shape", Attr::Dims(shape))])?;
    Ok(vec![x, mask])
}

/// ConstantOfShape: small ones are known, others are one element broadcast.
pub(super) fn constant_of_shape(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let shape = cx.input(0)?;
    let dims = cx.sizes_of(shape, "the shape", &|_| None)?;
    let value = match cx.attrs.tensor("value")? {
        Some(proto) => cx.importer.attribute_tensor(proto)?,
        None => Tensor::scalar(DType::F32, 0.0),
    };
    let Some(value) = value.reshaped(&[]) else {
        return invalid(format!("value has {} elements, one is needed", value.len()));
    };
    one(filled(cx, value, &dims)?)
}

/// A tensor of that shape with one value everywhere.
pub(super) fn filled(cx: &mut NodeCx<'_, '_>, value: Tensor, dims: &[Dim]) -> R<Val> {
    let sizes: Option<Vec<usize>> = dims.iter().map(Dim::as_size).collect();
    if let Some(sizes) = sizes
        && let Some(count) = few(&sizes)
    {
        let bytes: Vec<u8> = value.bytes().iter().copied().cycle().take(count * value.bytes().len()).collect();
        if let Some(tensor) = Tensor::from_bytes(value.dtype(), &sizes, bytes.into()) {
            return Ok(cx.constant("", tensor));
        }
    }
    let value = cx.constant("", value);
    if dims.is_empty() {
        return Ok(value);
    }
    cx.op(OpCode::Broadcast, &[value], &[("shape", Attr::dims(dims.iter().cloned()))])
}

/// Range: positions times the step plus the start.
pub(super) fn range(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (start, limit, delta) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.dtype(start)?;
    let mut scalars = Vec::new();
    for (val, what) in [(start, "start"), (limit, "limit"), (delta, "delta")] {
        match cx.all_elems(val)?.as_deref() {
            Some([elem]) => scalars.push(elem.clone()),
            Some(elems) => return invalid(format!("{what} has {} elements", elems.len())),
            None => return range_of_values(cx, start, limit, delta),
        }
    }
    let count = count_of(&cx.known(), &scalars[0], &scalars[1], &scalars[2])?;
    if let (Some(size), Some(first), Some(step)) = (count.as_size(), scalars[0].as_int(), scalars[2].as_int())
        && size <= MAX_KNOWN
    {
        let values = (0..size as i64).map(|i| step.checked_mul(i).and_then(|x| x.checked_add(first)).map(Elem::Int));
        if let Some(values) = values.collect::<Option<Vec<Elem>>>() {
            return one(cx.known_val(dtype, &[size], values));
        }
    }
    // Floats are counted in their own type.
    let attrs = [("shape", Attr::dims([count])), ("axis", Attr::Int(0)), ("dtype", dtype.into())];
    let mut result = cx.op(OpCode::Iota, &[], &attrs)?;
    if !is_number(&scalars[2], 1.0) {
        let delta = cx.reshape(delta, [])?;
        result = cx.op(OpCode::Mul, &[result, delta], &[])?;
    }
    if !is_number(&scalars[0], 0.0) {
        let start = cx.reshape(start, [])?;
        result = cx.op(OpCode::Add, &[result, start], &[])?;
    }
    one(result)
}

/// Range between ends that data decide: the length is computed, and needs a bound.
fn range_of_values(cx: &mut NodeCx<'_, '_>, start: Val, limit: Val, delta: Val) -> R<Vec<Val>> {
    let dtype = cx.dtype(start)?;
    let [start, limit, delta] = [start, limit, delta].map(|val| cx.reshape(val, []));
    let (start, limit, delta) = (start?, limit?, delta?);
    let count = if dtype.is_float() {
        let distance = cx.op(OpCode::Sub, &[limit, start], &[])?;
        let count = cx.op(OpCode::Div, &[distance, delta], &[])?;
        let count = cx.op(OpCode::Ceil, &[count], &[])?;
        cx.cast(count, DType::I64)?
    } else {
        // ceil(d / s) is -floor(-d / s).
        let [first, last, step] = [start, limit, delta].map(|val| cx.cast(val, DType::I64));
        let backwards = cx.op(OpCode::Sub, &[first?, last?], &[])?;
        let floor = cx.floor_div_values(backwards, step?)?;
        cx.op(OpCode::Neg, &[floor], &[])?
    };
    let zero = cx.whole(0);
    let count = cx.op(OpCode::Max, &[count, zero], &[])?;
    let count = cx.data_size(count, None, "the length")?;
    let attrs = [("shape", Attr::dims([count])), ("axis", Attr::Int(0)), ("dtype", dtype.into())];
    let places = cx.op(OpCode::Iota, &[], &attrs)?;
    let steps = cx.op(OpCode::Mul, &[places, delta], &[])?;
    one(cx.op(OpCode::Add, &[steps, start], &[])?)
}

fn is_number(elem: &Elem, value: f64) -> bool {
    match elem {
        Elem::Int(have) => *have as f64 == value,
        Elem::Float(have) => *have == value,
        _ => false,
    }
}

/// max(ceil((limit - start) / delta), 0)
fn count_of(known: &Known<'_>, start: &Elem, limit: &Elem, delta: &Elem) -> R<Dim> {
    if let (Elem::Float(start), Elem::Float(limit), Elem::Float(delta)) = (start, limit, delta) {
        let count = ((limit - start) / delta).ceil().max(0.0);
        let is_range = [start, limit, delta].iter().all(|end| end.is_finite()) && *delta != 0.0;
        if !is_range || !count.is_finite() || count > 1e15 {
            return invalid(format!("no range from {start} to {limit} in steps of {delta}"));
        }
        return Ok(Dim::constant(count as i64));
    }
    let exact = |elem: &Elem| match elem {
        Elem::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => Some(Dim::constant(*value as i64)),
        Elem::Ratio(dim, 1) => Some(dim.clone()),
        other => other.to_dim(),
    };
    let (Some(start), Some(limit), Some(delta)) = (exact(start), exact(limit), exact(delta).and_then(|d| d.as_const()))
    else {
        return unsupported("the step must be a constant and the ends whole numbers below 2^60");
    };
    if delta == 0 {
        return invalid("delta is 0");
    }
    let (distance, step) =
        if delta > 0 { (&limit - &start, Dim::constant(delta)) } else { (&start - &limit, Dim::constant(-delta)) };
    Ok(known.max(&distance.ceil_div(&step), &Dim::ZERO))
}

/// EyeLike: where the column is the row plus k.
pub(super) fn eye_like(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let like = cx.input(0)?;
    let ty = cx.ty(like)?;
    let [rows, columns] = ty.shape.as_slice() else {
        return invalid(format!("the operand has {} axes, two are needed", ty.rank()));
    };
    let dtype = match cx.attrs.int("dtype")? {
        Some(code) => element_type(code)?,
        None => ty.dtype,
    };
    let k = cx.int_or("k", 0)?;
    let (rows, columns) = (rows.clone(), columns.clone());
    let row = positions(cx, &[rows, Dim::ONE], 0)?;
    let column = positions(cx, &[Dim::ONE, columns], 1)?;
    let k = cx.constant("", Tensor::from_i64(DType::I64, &[], &[k]));
    let diagonal = cx.op(OpCode::Add, &[row, k], &[])?;
    let is_one = cx.op(OpCode::Eq, &[column, diagonal], &[])?;
    one(cx.cast(is_one, dtype)?)
}

/// i64 positions along one axis.
pub(super) fn positions(cx: &mut NodeCx<'_, '_>, shape: &[Dim], axis: i64) -> R<Val> {
    let attrs = [("shape", Attr::dims(shape.iter().cloned())), ("axis", Attr::Int(axis)), ("dtype", DType::I64.into())];
    cx.op(OpCode::Iota, &[], &attrs)
}

/// Trilu: the upper (or lower) triangle, zeros elsewhere.
pub(super) fn trilu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let ty = cx.ty(x)?;
    let [.., rows, columns] = ty.shape.as_slice() else {
        return invalid("the operand has less than two axes");
    };
    let upper = cx.flag_or("upper", true)?;
    let (rows, columns) = (rows.clone(), columns.clone());
    let row = positions(cx, &[rows, Dim::ONE], 0)?;
    let column = positions(cx, &[Dim::ONE, columns], 1)?;
    let diagonal = match cx.opt(1) {
        Some(k) => {
            let k = cx.reshape(k, [])?;
            cx.op(OpCode::Add, &[row, k], &[])?
        }
        None => row,
    };
    let kept = if upper { [diagonal, column] } else { [column, diagonal] };
    let kept = cx.op(OpCode::Le, &kept, &[])?;
    let zero = cx.scalar(ty.dtype, 0.0);
    one(cx.op(OpCode::Where, &[kept, x, zero], &[])?)
}

/// OneHot: `on` where the position along the new axis is the index (negative ones count from the end), else `off`.
pub(super) fn one_hot(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (indices, depth, values) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let depth = cx.cast(depth, DType::I64)?;
    let dims = cx.sizes_of(depth, "depth", &|_| None)?;
    let [size] = dims.as_slice() else { return invalid("depth is no scalar") };
    let shape = cx.shape(indices)?;
    let axis = cx.axis_or("axis", -1, shape.len() + 1)?;
    let indices = cx.cast(indices, DType::I64)?;
    let mut expanded = shape.clone();
    expanded.insert(axis, Dim::ONE);
    let indices = cx.reshape(indices, expanded)?;
    let zero = cx.constant("", Tensor::from_i64(DType::I64, &[], &[0]));
    let depth = cx.reshape(depth, [])?;
    let is_negative = cx.op(OpCode::Lt, &[indices, zero], &[])?;
    let wrapped = cx.op(OpCode::Add, &[indices, depth], &[])?;
    let indices = cx.op(OpCode::Where, &[is_negative, wrapped, indices], &[])?;
    let mut along = vec![Dim::ONE; shape.len() + 1];
    along[axis] = size.clone();
    let along = positions(cx, &along, axis as i64)?;
    let is_hot = cx.op(OpCode::Eq, &[indices, along], &[])?;
    let mut ends = Vec::new();
    for start in [1, 0] {
        let attrs = [
            ("starts", Attr::dims([Dim::from(start)])),
            ("sizes", Attr::dims([Dim::ONE])),
            ("steps", Attr::ints(&[1])),
        ];
        let part = cx.op(OpCode::Slice, &[values], &attrs)?;
        ends.push(cx.reshape(part, [])?);
    }
    one(cx.op(OpCode::Where, &[is_hot, ends[0], ends[1]], &[])?)
}

/// HannWindow, HammingWindow, BlackmanWindow: sums of cosines, computed in f64.
pub(super) fn window(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let size = cx.input(0)?;
    let size = cx.const_int(size, "size")?;
    if !(0..=1 << 24).contains(&size) {
        return invalid(format!("size = {size}"));
    }
    let dtype = element_type(cx.int_or("output_datatype", 1)?)?;
    let period = if cx.flag_or("periodic", true)? { size } else { size - 1 };
    let weights: &[f64] = match cx.op {
        "HannWindow" => &[0.5, -0.5],
        "HammingWindow" => &[25.0 / 46.0, -21.0 / 46.0],
        _ => &[0.42, -0.5, 0.08],
    };
    let attrs = [("shape", Attr::dims([Dim::from(size)])), ("axis", Attr::Int(0)), ("dtype", DType::F64.into())];
    let place = cx.op(OpCode::Iota, &[], &attrs)?;
    let mut sum = cx.scalar(DType::F64, weights[0]);
    for (order, &weight) in weights.iter().enumerate().skip(1) {
        let step = cx.scalar(DType::F64, std::f64::consts::TAU * order as f64 / period as f64);
        let angle = cx.op(OpCode::Mul, &[place, step], &[])?;
        let cosine = cx.op(OpCode::Cos, &[angle], &[])?;
        let term = super::matmul::scaled(cx, cosine, weight)?;
        sum = cx.op(OpCode::Add, &[term, sum], &[])?;
    }
    one(cx.cast(sum, dtype)?)
}
