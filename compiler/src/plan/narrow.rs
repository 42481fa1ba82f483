//! Casts to and from storage types as integer arithmetic on their codes. The meaning is `lathe_ir::narrow`'s.

use super::scalar::{cast, scalar_type, to_odd};
use crate::loopir::{Builder, Expr, Type};
use lathe_ir::narrow::{E8M0_NAN, Minifloat, Rounding, Special};
use lathe_ir::{DType, Op, OpCode};

/// A cast or bitcast with a storage type on one side; `None` for ops that are neither.
pub(crate) fn convert(b: &mut Builder<'_>, op: &Op, x: &Expr, from: DType, to: DType) -> Option<Expr> {
    if from == to {
        return Some(x.clone());
    }
    if op.code == OpCode::BitCast {
        let same = x.cast(scalar_type(to));
        return Some(if to.is_storage() { low_bits(b, &same, to) } else { same });
    }
    if op.code != OpCode::Cast {
        return None;
    }
    let value = if from.is_storage() { decoded(b, x, from) } else { x.clone() };
    if !to.is_storage() {
        return Some(cast(b, &value, scalar_type(to)));
    }
    let saturate = op.flag("saturate");
    Some(match Minifloat::of(to) {
        Some(format) => minifloat_code(b, &value, format, saturate),
        None if to == DType::F8E8M0 => e8m0_code(b, &value, saturate, Rounding::of(op.word("round"))),
        None => {
            let whole = if value.ty().is_int() || value.ty() == Type::Bool { value } else { value.cast(Type::I32) };
            low_bits(b, &whole.cast(scalar_type(to)), to)
        }
    })
}

/// The element without what is in the bits that its type does not have.
fn low_bits(b: &mut Builder<'_>, x: &Expr, dtype: DType) -> Expr {
    let unused = i64::from(8 - dtype.bits());
    let amount = Expr::int(x.ty(), unused);
    b.let_(if unused == 0 { x.clone() } else { x.shl(amount.clone()).shr(amount) })
}

fn u32(value: u32) -> Expr {
    Expr::int(Type::U32, i64::from(value))
}

fn f32_of_bits(bits: u32) -> Expr {
    Expr::f32(f32::from_bits(bits))
}

/// The number that an element stands for: of a narrow float an f32, of a narrow integer one of 8 bits.
fn decoded(b: &mut Builder<'_>, x: &Expr, dtype: DType) -> Expr {
    match Minifloat::of(dtype) {
        Some(format) => minifloat_value(b, x, format),
        None if dtype == DType::F8E8M0 => {
            let code = b.let_(x.cast(Type::U32));
            // 2^-127 is a subnormal f32.
            let power = code.eq_(u32(0)).select(u32(1 << 22), code.shl(u32(23)));
            code.eq_(u32(E8M0_NAN.into())).select(Expr::f32(f32::NAN), power.bitcast(Type::F32))
        }
        None => low_bits(b, x, dtype),
    }
}

fn minifloat_value(b: &mut Builder<'_>, x: &Expr, format: Minifloat) -> Expr {
    let (sign, mantissa) = (u32::from(format.sign()), format.mantissa);
    let code = b.let_(x.cast(Type::U32));
    let magnitude = b.let_(code.and(u32(sign - 1)));
    let normal = magnitude.shl(u32(23 - mantissa)) + u32(((127 - format.bias) as u32) << 23);
    // A number of steps of the least one; as bits it would be a subnormal f32, which some callers switch off.
    let step = f32_of_bits(((128 - format.bias - mantissa as i32) as u32) << 23);
    let small = magnitude.cast(Type::F32) * step;
    let mut value = magnitude.lt(u32(1 << mantissa)).select(small, normal.bitcast(Type::F32));
    let nan = Expr::f32(f32::NAN);
    match format.special {
        Special::Nothing | Special::Unsigned => {}
        Special::Nan => value = magnitude.eq_(u32(format.nan().into())).select(nan.clone(), value),
        Special::InfAndNan => {
            let infinity = u32::from(format.beyond(false));
            value = magnitude.eq_(u32(infinity)).select(Expr::f32(f32::INFINITY), value);
            value = magnitude.gt(u32(infinity)).select(nan.clone(), value);
        }
    }
    let signed = value.bitcast(Type::U32).or(code.and(u32(sign)).shl(u32(32 - format.bits)));
    let signed = b.let_(signed.bitcast(Type::F32));
    if format.special == Special::Unsigned {
        return b.let_(code.and(u32(2 * sign - 1)).eq_(u32(sign)).select(nan, signed));
    }
    signed
}

fn minifloat_code(b: &mut Builder<'_>, x: &Expr, format: Minifloat, saturate: bool) -> Expr {
    let single = to_odd(b, x);
    let bits = b.let_(single.bitcast(Type::U32));
    let magnitude = b.let_(bits.and(u32(i32::MAX as u32)));
    let cut = 23 - format.mantissa;
    // Adding a number with the last bit at the least step rounds to steps, to nearest even as every sum.
    let magic = ((151 - format.bias - format.mantissa as i32) as u32) << 23;
    let small = (magnitude.bitcast(Type::F32) + f32_of_bits(magic)).bitcast(Type::U32) - u32(magic);
    let is_odd = magnitude.shr(u32(cut)).and(u32(1));
    let rounded = (&magnitude + u32((1 << (cut - 1)) - 1) + is_odd).shr(u32(cut));
    let normal = rounded - u32(((127 - format.bias) as u32) << format.mantissa);
    let is_small = magnitude.lt(u32(((128 - format.bias) as u32) << 23));
    let code = b.let_(is_small.select(small, normal));
    let code = code.gt(u32(format.largest().into())).select(u32(format.beyond(saturate).into()), code);
    let code = b.let_(code);
    let sign = bits.shr(u32(31)).shl(u32(format.bits - 1));
    let mut signed = code.or(sign);
    if format.special == Special::Unsigned {
        signed = code.eq_(u32(0)).select(code, signed);
    }
    let is_nan = magnitude.gt(u32(0x7f80_0000));
    b.let_(is_nan.select(u32(format.nan().into()), signed).cast(Type::U8))
}

fn e8m0_code(b: &mut Builder<'_>, x: &Expr, saturate: bool, rounding: Rounding) -> Expr {
    let u64 = |value: u64| Expr::int(Type::U64, value as i64);
    let value = wide(b, x);
    let bits = b.let_(value.bitcast(Type::U64));
    let magnitude = b.let_(bits.and(u64(i64::MAX as u64)));
    let rest = magnitude.and(u64((1 << 52) - 1));
    let up = match rounding {
        Rounding::Up => Some(rest.ne_(u64(0))),
        Rounding::Down => None,
        Rounding::Nearest => Some(rest.ge(u64(1 << 51))),
    };
    let mut exponent = magnitude.shr(u64(52));
    if let Some(up) = up {
        exponent = exponent + up.cast(Type::U64);
    }
    let exponent = b.let_(exponent);
    // The biases differ by 896; 2^-127 is code 0, 2^127 code 254.
    let (least, most) = (896, 896 + 254);
    let inside = exponent.max(u64(least)).min(u64(most)) - u64(least);
    let nan = u64(E8M0_NAN.into());
    let mut code = inside;
    if !saturate {
        code = exponent.lt(u64(least)).or(exponent.gt(u64(most))).select(nan.clone(), code);
    }
    let is_nan = magnitude.gt(u64(f64::INFINITY.to_bits())).or(value.lt(Expr::constant(Type::F64, 0.0)));
    b.let_(is_nan.select(nan, code).cast(Type::U8))
}

/// As an f64 between the same numbers of f8e8m0. What f64 does not hold of an integer stands as one bit above its last.
fn wide(b: &mut Builder<'_>, x: &Expr) -> Expr {
    let ty = x.ty();
    if !ty.is_int() || ty.bits() < 64 {
        return b.let_(x.cast(Type::F64));
    }
    let int = |value: i64| Expr::int(ty, value);
    let lost = x.and(int(0x7ff)).ne_(int(0)).select(int(0x800), int(0));
    let kept = x.and(int(!0x7ff)).or(lost);
    b.let_(x.ge(int(1 << 53)).select(kept, x.clone()).cast(Type::F64))
}
