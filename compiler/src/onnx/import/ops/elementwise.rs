//! Element by element: arithmetic, comparisons, logic, selection, casts.

use lathe_ir::narrow::Rounding;
use lathe_ir::{Attr, DType, OpCode, Shape};

use crate::onnx::dtype;
use crate::onnx::import::known::{Arith, Compare, Elem, Known, Unary, few};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

/// Operators that are one op of the IR, and how they act on known elements.
const UNARY: &[(&str, OpCode, Option<Unary>)] = &[
    ("Abs", OpCode::Abs, Some(Unary::Abs)),
    ("Acos", OpCode::Acos, None),
    ("Acosh", OpCode::Acosh, None),
    ("Asin", OpCode::Asin, None),
    ("Asinh", OpCode::Asinh, None),
    ("Atan", OpCode::Atan, None),
    ("Atanh", OpCode::Atanh, None),
    ("BitwiseNot", OpCode::BitNot, None),
    ("Ceil", OpCode::Ceil, Some(Unary::Ceil)),
    ("Cos", OpCode::Cos, None),
    ("Cosh", OpCode::Cosh, None),
    ("Erf", OpCode::Erf, None),
    ("Exp", OpCode::Exp, None),
    ("Floor", OpCode::Floor, Some(Unary::Floor)),
    ("HardSwish", OpCode::HardSwish, None),
    ("IsNaN", OpCode::IsNan, None),
    ("Log", OpCode::Log, None),
    ("Mish", OpCode::Mish, None),
    ("Neg", OpCode::Neg, Some(Unary::Neg)),
    ("Reciprocal", OpCode::Recip, Some(Unary::Reciprocal)),
    ("Relu", OpCode::Relu, None),
    ("Round", OpCode::Round, Some(Unary::Round)),
    ("Sigmoid", OpCode::Sigmoid, None),
    ("Sign", OpCode::Sign, None),
    ("Sin", OpCode::Sin, None),
    ("Sinh", OpCode::Sinh, None),
    ("Softplus", OpCode::Softplus, None),
    ("Sqrt", OpCode::Sqrt, Some(Unary::Sqrt)),
    ("Tan", OpCode::Tan, None),
    ("Tanh", OpCode::Tanh, None),
];

/// Operators on two operands that are one op of the IR, and how they act on known elements.
const BINARY: &[(&str, OpCode, Option<Arith>)] = &[
    ("Add", OpCode::Add, Some(Arith::Add)),
    ("And", OpCode::And, Some(Arith::Min)),
    ("BitwiseAnd", OpCode::BitAnd, None),
    ("BitwiseOr", OpCode::BitOr, None),
    ("BitwiseXor", OpCode::BitXor, None),
    ("Div", OpCode::Div, Some(Arith::Div)),
    ("Max", OpCode::Max, Some(Arith::Max)),
    ("Min", OpCode::Min, Some(Arith::Min)),
    ("Mul", OpCode::Mul, Some(Arith::Mul)),
    ("Or", OpCode::Or, Some(Arith::Max)),
    ("Sub", OpCode::Sub, Some(Arith::Sub)),
    ("Sum", OpCode::Add, Some(Arith::Add)),
    ("Xor", OpCode::Xor, None),
];

/// Comparisons: the op, how it acts on known elements, whether the operands change places.
const COMPARE: &[(&str, OpCode, Compare, bool)] = &[
    ("Equal", OpCode::Eq, Compare::Eq, false),
    ("Greater", OpCode::Lt, Compare::Lt, true),
    ("GreaterOrEqual", OpCode::Le, Compare::Le, true),
    ("Less", OpCode::Lt, Compare::Lt, false),
    ("LessOrEqual", OpCode::Le, Compare::Le, false),
];

/// Emits an op element by element, unless all its result's elements are known; what is known of them is kept.
pub(super) fn with_fold(
    cx: &mut NodeCx<'_, '_>,
    operands: &[Val],
    dtype: DType,
    fold: impl Fn(&Known<'_>, &[&Elem]) -> Option<Elem>,
    emit: impl FnOnce(&mut NodeCx<'_, '_>) -> R<Val>,
) -> R<Val> {
    let Some((sizes, elems)) = folded(cx, operands, fold)? else { return emit(cx) };
    cx.known_or(dtype, &sizes, elems, emit)
}

type Folded = Option<(Vec<usize>, Vec<Option<Elem>>)>;

fn folded(cx: &mut NodeCx<'_, '_>, operands: &[Val], fold: impl Fn(&Known<'_>, &[&Elem]) -> Option<Elem>) -> R<Folded> {
    let mut all = Vec::new();
    for &operand in operands {
        match (cx.sizes(operand)?, cx.elems(operand)?) {
            (Some(sizes), Some(elems)) => all.push((sizes, elems)),
            _ => return Ok(None),
        }
    }
    let rank = all.iter().map(|(sizes, _)| sizes.len()).max().unwrap_or(0);
    let mut shape = vec![1usize; rank];
    for (sizes, _) in &all {
        for (axis, &size) in sizes.iter().rev().enumerate() {
            let result = &mut shape[rank - 1 - axis];
            match (*result, size) {
                (1, size) => *result = size,
                (have, size) if size == 1 || size == have => {}
                // The op's own rules report it.
                _ => return Ok(None),
            }
        }
    }
    let Some(count) = few(&shape) else { return Ok(None) };
    let known = cx.known();
    let result = (0..count).map(|index| {
        let of = |(sizes, elems): &(Vec<usize>, crate::onnx::import::values::Elems)| {
            let (mut rest, mut position, mut stride) = (index, 0, 1);
            for (axis, &size) in shape.iter().enumerate().rev() {
                let at = rest % size;
                rest /= size;
                if let Some(own) = (axis + sizes.len()).checked_sub(rank) {
                    position += if sizes[own] == 1 { 0 } else { at * stride };
                    stride *= sizes[own];
                }
            }
            elems[position].clone()
        };
        let args: Option<Vec<Elem>> = all.iter().map(of).collect();
        fold(&known, &args?.iter().collect::<Vec<_>>())
    });
    let elems = result.collect();
    Ok(Some((shape, elems)))
}

/// Operators on one operand.
pub(super) fn unary(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let Some(&(_, code, fold)) = UNARY.iter().find(|row| row.0 == cx.op) else { return unsupported("no such op") };
    let Some(fold) = fold else { return one(cx.op(code, &[x], &[])?) };
    let dtype = cx.dtype(x)?;
    let of = |known: &Known<'_>, args: &[&Elem]| known.unary(fold, dtype, args[0]);
    one(with_fold(cx, &[x], dtype, of, |cx| cx.op(code, &[x], &[]))?)
}

/// `a op b` for one of the operators of [`BINARY`], by name.
pub(super) fn arith(cx: &mut NodeCx<'_, '_>, name: &str, a: Val, b: Val) -> R<Val> {
    let Some(&(_, code, fold)) = BINARY.iter().find(|row| row.0 == name) else { return unsupported("no such op") };
    let Some(fold) = fold else { return cx.op(code, &[a, b], &[]) };
    let dtype = cx.dtype(a)?;
    if dtype != cx.dtype(b)? {
        return cx.op(code, &[a, b], &[]);
    }
    let of = |known: &Known<'_>, args: &[&Elem]| known.arith(fold, dtype, args[0], args[1]);
    with_fold(cx, &[a, b], dtype, of, |cx| cx.op(code, &[a, b], &[]))
}

/// Operators on two operands.
pub(super) fn binary(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    one(arith(cx, cx.op, a, b)?)
}

/// Sum, Min, Max: a chain of two operands each.
pub(super) fn variadic(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let inputs = cx.all_inputs()?;
    let mut result = inputs[0];
    for &next in &inputs[1..] {
        result = arith(cx, cx.op, result, next)?;
    }
    one(result)
}

/// Mean: the sum divided by the number of operands.
pub(super) fn mean(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let inputs = cx.all_inputs()?;
    let mut sum = inputs[0];
    for &next in &inputs[1..] {
        sum = cx.op(OpCode::Add, &[sum, next], &[])?;
    }
    let dtype = cx.dtype(sum)?;
    let count = cx.scalar(dtype, inputs.len() as f64);
    one(if inputs.len() == 1 { sum } else { cx.op(OpCode::Div, &[sum, count], &[])? })
}

/// Equal and the orders; Greater is Less with the operands exchanged.
pub(super) fn compare(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let Some(&(_, code, fold, swap)) = COMPARE.iter().find(|row| row.0 == cx.op) else {
        return unsupported("no such op");
    };
    let (a, b) = if swap { (b, a) } else { (a, b) };
    let of = |known: &Known<'_>, args: &[&Elem]| known.truth(fold, args[0], args[1]);
    one(with_fold(cx, &[a, b], DType::Bool, of, |cx| cx.op(code, &[a, b], &[]))?)
}

/// Not.
pub(super) fn not(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let of = |known: &Known<'_>, args: &[&Elem]| known.negated(args[0]);
    one(with_fold(cx, &[x], DType::Bool, of, |cx| cx.op(OpCode::Not, &[x], &[]))?)
}

/// Pow: the result has the base's element type, whatever the exponent's.
pub(super) fn pow(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (base, exponent) = (cx.input(0)?, cx.input(1)?);
    let (base_type, exponent_type) = (cx.dtype(base)?, cx.dtype(exponent)?);
    if base_type.is_int() && exponent_type.is_float() {
        let (wide, exponent) = (cx.cast(base, DType::F64)?, cx.cast(exponent, DType::F64)?);
        let power = cx.op(OpCode::Pow, &[wide, exponent], &[])?;
        return one(cx.cast(power, base_type)?);
    }
    let exponent = cx.cast(exponent, base_type)?;
    let of = |known: &Known<'_>, args: &[&Elem]| known.arith(Arith::Pow, base_type, args[0], args[1]);
    one(with_fold(cx, &[base, exponent], base_type, of, |cx| cx.op(OpCode::Pow, &[base, exponent], &[]))?)
}

/// Mod: the sign is the divisor's, with `fmod` the dividend's.
pub(super) fn modulo(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    if cx.flag_or("fmod", false)? {
        return one(cx.op(OpCode::Fmod, &[a, b], &[])?);
    }
    let dtype = cx.dtype(a)?;
    let of = |known: &Known<'_>, args: &[&Elem]| known.arith(Arith::Mod, dtype, args[0], args[1]);
    one(with_fold(cx, &[a, b], dtype, of, |cx| cx.op(OpCode::Rem, &[a, b], &[]))?)
}

/// BitShift. Signed integers are shifted as unsigned ones; to the right, negative ones complemented before and after,
/// so that the sign fills what is vacated.
pub(super) fn bit_shift(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let left = match cx.word_or("direction", "")?.as_str() {
        "LEFT" => true,
        "RIGHT" => false,
        other => return invalid(format!("direction = {other:?} is neither LEFT nor RIGHT")),
    };
    let code = if left { OpCode::Shl } else { OpCode::Shr };
    let dtype = cx.dtype(a)?;
    let unsigned = match dtype {
        DType::I8 => DType::U8,
        DType::I16 => DType::U16,
        DType::I32 => DType::U32,
        DType::I64 => DType::U64,
        _ => return one(cx.op(code, &[a, b], &[])?),
    };
    let (bits, by) = (cx.cast(a, unsigned)?, cx.cast(b, unsigned)?);
    if left {
        let shifted = cx.op(code, &[bits, by], &[])?;
        return one(cx.cast(shifted, dtype)?);
    }
    let zero = cx.scalar(dtype, 0.0);
    let is_negative = cx.op(OpCode::Lt, &[a, zero], &[])?;
    let flipped = |cx: &mut NodeCx<'_, '_>, bits: Val| -> R<Val> {
        let complement = cx.op(OpCode::BitNot, &[bits], &[])?;
        cx.op(OpCode::Where, &[is_negative, complement, bits], &[])
    };
    let bits = flipped(cx, bits)?;
    let shifted = cx.op(code, &[bits, by], &[])?;
    let result = flipped(cx, shifted)?;
    one(cx.cast(result, dtype)?)
}

/// IsInf.
pub(super) fn is_inf(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (pos, neg) = (cx.flag_or("detect_positive", true)?, cx.flag_or("detect_negative", true)?);
    one(cx.op(OpCode::IsInf, &[x], &[("pos", pos.into()), ("neg", neg.into())])?)
}

/// Where; an operand that is chosen everywhere and has the result's shape is the result.
pub(super) fn select(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (condition, a, b) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.dtype(a)?;
    // Elements of the operand that is not chosen need not be known, so this is not [`with_fold`] on three operands.
    let conditions = cx.all_elems(condition)?;
    let decided = conditions.as_deref().and_then(|elems| {
        let first = elems.first()?.as_int()?;
        elems.iter().all(|elem| elem.as_int() == Some(first)).then_some(first != 0)
    });
    if let Some(decided) = decided {
        let chosen = if decided { a } else { b };
        let mut shape: Shape = cx.shape(condition)?;
        for operand in [a, b] {
            let other = cx.shape(operand)?;
            match lathe_ir::types::broadcast(&shape, &other, &mut |_, _| {}) {
                Ok(broadcast) => shape = broadcast,
                Err(_) => return invalid("shapes do not broadcast"),
            }
        }
        if cx.shape(chosen)? == shape && cx.dtype(b)? == dtype {
            return one(chosen);
        }
    }
    let of = |known: &Known<'_>, args: &[&Elem]| known.chosen(dtype, args[0], args[1], args[2]);
    one(with_fold(cx, &[condition, a, b], dtype, of, |cx| cx.op(OpCode::Where, &[condition, a, b], &[]))?)
}

/// The IR type of an ONNX element type code.
pub(super) fn element_type(code: i64) -> R<DType> {
    match i32::try_from(code).ok().and_then(DType::from_onnx_code) {
        Some(dtype) => Ok(dtype),
        None => {
            let name = i32::try_from(code).ok().and_then(dtype::name).unwrap_or("unknown");
            unsupported(format!("element type {code} ({name})"))
        }
    }
}

/// Cast.
pub(super) fn cast(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, to) = (cx.input(0)?, element_type(cx.int("to")?)?);
    one(cast_as_told(cx, x, to)?)
}

/// A cast under the attributes `saturate` and `round_mode`, which only some of the storage types heed.
fn cast_as_told(cx: &mut NodeCx<'_, '_>, x: Val, to: DType) -> R<Val> {
    let (saturate, round) = (cx.flag_or("saturate", true)?, cx.word_or("round_mode", "up")?);
    if !Rounding::WORDS.contains(&round.as_str()) {
        return invalid(format!("round_mode = {round:?} is none of {}", Rounding::WORDS.join(", ")));
    }
    let mut attrs = vec![("to", to.into())];
    if to.is_storage_float() && to.bits() == 8 {
        attrs.push(("saturate", saturate.into()));
    }
    if to == DType::F8E8M0 {
        attrs.push(("round", Attr::str(&round)));
    }
    match attrs.len() {
        1 => cx.cast(x, to),
        _ if cx.dtype(x)? == to => Ok(x),
        _ => cx.op(OpCode::Cast, &[x], &attrs),
    }
}

/// CastLike: to the element type of the second operand.
pub(super) fn cast_like(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, like) = (cx.input(0)?, cx.input(1)?);
    let to = cx.dtype(like)?;
    one(cast_as_told(cx, x, to)?)
}

/// BitCast.
pub(super) fn bit_cast(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let to = element_type(cx.int("to")?)?;
    if cx.dtype(x)? == to {
        return one(x);
    }
    one(cx.op(OpCode::BitCast, &[x], &[("to", to.into())])?)
}

/// Clip: bounds that are constants become attributes.
pub(super) fn clip(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let mut bounds = [f64::NEG_INFINITY, f64::INFINITY];
    let mut known = true;
    for (index, bound) in bounds.iter_mut().enumerate() {
        let Some(val) = cx.opt(index + 1) else { continue };
        match cx.all_elems(val)?.as_deref() {
            Some([Elem::Float(value)]) if !value.is_nan() => *bound = *value,
            Some([Elem::Int(value)]) if value.unsigned_abs() <= 1 << 53 => *bound = *value as f64,
            _ => known = false,
        }
    }
    if known {
        return one(cx.op(OpCode::Clip, &[x], &[("lo", Attr::float(bounds[0])), ("hi", Attr::float(bounds[1]))])?);
    }
    let mut result = x;
    for (index, code) in [(1, OpCode::Max), (2, OpCode::Min)] {
        if let Some(bound) = cx.opt(index) {
            let bound = cx.reshape(bound, [])?;
            result = cx.op(code, &[result, bound], &[])?;
        }
    }
    one(result)
}
