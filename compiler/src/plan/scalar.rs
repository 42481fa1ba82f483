//! Elementwise ops on one element, as loop-IR expressions.
//!
//! Arguments are variables or constants, so an expression may mention them several times. f16 and bf16 are computed in
//! f32 and rounded at the end.

use crate::loopir::{Builder, Expr, Type};
use lathe_ir::{DType, Op, OpCode};

/// Loop-IR type of an element.
pub(crate) fn scalar_type(dtype: DType) -> Type {
    match dtype {
        DType::F32 => Type::F32,
        DType::F64 => Type::F64,
        DType::F16 => Type::F16,
        DType::BF16 => Type::BF16,
        DType::I8 => Type::I8,
        DType::I16 => Type::I16,
        DType::I32 => Type::I32,
        DType::I64 => Type::I64,
        DType::U8 => Type::U8,
        DType::U16 => Type::U16,
        DType::U32 => Type::U32,
        DType::U64 => Type::U64,
        DType::Bool => Type::Bool,
        DType::I4 | DType::I2 => Type::I8,
        // Codes of narrow floats, which casts alone give a meaning.
        _ => Type::U8,
    }
}

/// Status code of an integer division by 0: the runtime's `Code::DivisionByZero`.
pub(crate) const DIVISION_BY_ZERO: i32 = 5;
/// Status code of an index outside its axis: the runtime's `Code::IndexOutOfRange`.
pub(crate) const INDEX_OUT_OF_RANGE: i32 = 4;

/// Status code of a size beyond its bound: the runtime's `Code::SizeOverBound`.
pub(crate) const SIZE_OVER_BOUND: i32 = 6;

/// The type arithmetic is done in.
pub(crate) fn compute_type(ty: Type) -> Type {
    if ty.is_half() { Type::F32 } else { ty }
}

/// Whether the op ends the run on some operands of that type.
pub(crate) fn can_fail(op: &Op, operand: Type) -> bool {
    matches!(op.code, OpCode::Div | OpCode::Rem | OpCode::Fmod) && operand.is_int()
}

/// Result of an elementwise op on scalars of its operands' types; `None` if the op is not elementwise or not done
/// for these types. Where it fails it names `node`.
pub(crate) fn scalar_op(b: &mut Builder<'_>, op: &Op, args: &[Expr], result: Type, node: Option<i32>) -> Option<Expr> {
    if op.code == OpCode::Cast {
        return Some(cast(b, &args[0], result));
    }
    if op.code == OpCode::BitCast {
        return Some(bitcast(&args[0], result));
    }
    if op.code == OpCode::Where {
        return Some(args[0].select(args[1].clone(), args[2].clone()));
    }
    let wide: Vec<Expr> = args.iter().map(|arg| b.let_(arg.cast(compute_type(arg.ty())))).collect();
    let value = match wide.as_slice() {
        [x] => unary(b, op, x)?,
        [x, y] => binary(b, op, x, y, node)?,
        [x, scale, zero] if op.code == OpCode::Quantize => {
            let (lo, hi) = (float_const(x, op.float("lo")), float_const(x, op.float("hi")));
            let quotient = (x / scale).cast(args[0].ty()).cast(x.ty());
            (quotient.round() + zero.clone()).max(lo).min(hi)
        }
        _ => return None,
    };
    Some(value.cast(result))
}

/// Float to integer truncates, to bool compares with 0. To a 16-bit float the way leads through f32.
pub(super) fn cast(b: &mut Builder<'_>, x: &Expr, to: Type) -> Expr {
    if to.is_half() { to_odd(b, x).cast(to) } else { x.cast(to) }
}

/// As an f32 that a narrower float rounds as it would `x`: not a number half way between two of them that `x` is not.
/// What f32 does not hold is cut off, and the last bit set.
pub(super) fn to_odd(b: &mut Builder<'_>, x: &Expr) -> Expr {
    let from = x.ty();
    let is_wide = from == Type::F64 || (from.is_int() && from.bits() >= 32);
    if !is_wide {
        return x.cast(Type::F32);
    }
    let near = b.let_(x.cast(Type::F32));
    let back = b.let_(near.cast(from));
    let is_exact = back.eq_(x.clone()).or(near.ne_(near.clone()));
    let is_beyond = if from.is_unsigned() {
        back.gt(x.clone())
    } else {
        let zero = Expr::constant(from, 0.0);
        x.lt(zero.clone()).and(back.lt(x.clone())).or(x.gt(zero).and(back.gt(x.clone())))
    };
    let bits = near.bitcast(Type::U32);
    let cut = is_beyond.select(&bits - 1, bits);
    let odd = cut.or(Expr::int(Type::U32, 1)).bitcast(Type::F32);
    b.let_(is_exact.select(near, odd))
}

/// The same bits in a type of the same size; of a bool type all but 0 are true.
fn bitcast(x: &Expr, to: Type) -> Expr {
    let from = x.ty();
    match (from.is_half(), to.is_half()) {
        _ if from == to => x.clone(),
        (true, true) => x.bitcast(Type::U16).bitcast(to),
        (true, false) => x.bitcast(Type::U16).cast(to),
        (false, true) => x.cast(Type::U16).bitcast(to),
        _ if from.is_float() || to.is_float() => x.bitcast(to),
        // Between integers of one size wrapping keeps the bits.
        _ => x.cast(to),
    }
}

/// `x` to the power of `y` on integers, which wraps; negative powers are 1 / x^|y| truncated, 0 for 0.
fn int_power(b: &mut Builder<'_>, x: &Expr, y: &Expr) -> Expr {
    let ty = x.ty();
    let (zero, unit) = (Expr::int(ty, 0), Expr::int(ty, 1));
    let (power, base, left) = (b.var(unit.clone()), b.var(x.clone()), b.var(y.clone()));
    b.while_(left.get().gt(zero.clone()), |b| {
        let is_odd = left.get().and(unit.clone()).ne_(zero.clone());
        b.if_(is_odd, |b| b.assign(power, power.get() * base.get()));
        b.assign(base, base.get() * base.get());
        b.assign(left, left.get().shr(unit.clone()));
    });
    if ty.is_unsigned() {
        return power.get();
    }
    let minus = Expr::int(ty, -1);
    let alternating = y.and(unit.clone()).ne_(zero.clone()).select(minus.clone(), unit.clone());
    let of_unit = x.eq_(minus).select(alternating, zero.clone());
    let inverse = x.eq_(unit.clone()).select(unit, of_unit);
    y.lt(zero).select(inverse, power.get())
}

/// Smallest and largest value of an integer type.
fn int_range(ty: Type) -> (i128, i128) {
    let bits = ty.bits();
    if ty.is_unsigned() { (0, (1 << bits) - 1) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) }
}

fn float_const(x: &Expr, value: f64) -> Expr {
    Expr::constant(x.ty(), value)
}

fn sigmoid(b: &mut Builder<'_>, x: &Expr) -> Expr {
    let one = float_const(x, 1.0);
    let e = b.let_((-x.clone()).math("exp"));
    one.clone() / (one + e)
}

fn softplus(b: &mut Builder<'_>, x: &Expr) -> Expr {
    // log(1 + exp(x)) without overflow: max(x, 0) + log1p(exp(-|x|))
    let e = b.let_((-x.abs()).math("exp"));
    x.max(float_const(x, 0.0)) + e.math("log1p")
}

fn clamp01(x: Expr) -> Expr {
    let (zero, one) = (float_const(&x, 0.0), float_const(&x, 1.0));
    x.max(zero).min(one)
}

fn unary(b: &mut Builder<'_>, op: &Op, x: &Expr) -> Option<Expr> {
    let ty = x.ty();
    let zero = Expr::constant(ty, 0.0);
    let is_float = ty.is_float();
    Some(match op.code {
        OpCode::Neg => -x.clone(),
        OpCode::Abs => {
            if ty.is_unsigned() {
                x.clone()
            } else {
                x.abs()
            }
        }
        OpCode::Relu => x.max(zero),
        OpCode::Square => x * x,
        OpCode::Sign if is_float => {
            let one = float_const(x, 1.0);
            let below = x.lt(zero.clone()).select(-one.clone(), x.clone());
            let below = b.let_(below);
            x.gt(zero).select(one, below)
        }
        OpCode::Sign => {
            let one = Expr::int(ty, 1);
            let below = if ty.is_unsigned() {
                zero.clone()
            } else {
                b.let_(x.lt(zero.clone()).select(Expr::int(ty, -1), zero.clone()))
            };
            x.gt(zero).select(one, below)
        }
        OpCode::Floor | OpCode::Ceil | OpCode::Round if !is_float => x.clone(),
        OpCode::Floor => x.floor(),
        OpCode::Ceil => x.ceil(),
        OpCode::Round => x.round(),
        OpCode::Sqrt => x.sqrt(),
        OpCode::Recip => float_const(x, 1.0) / x.clone(),
        OpCode::Exp => x.math("exp"),
        OpCode::Log => x.math("log"),
        OpCode::Sin => x.math("sin"),
        OpCode::Cos => x.math("cos"),
        OpCode::Tan => x.math("tan"),
        OpCode::Asin => x.math("asin"),
        OpCode::Acos => x.math("acos"),
        OpCode::Atan => x.math("atan"),
        OpCode::Sinh => x.math("sinh"),
        OpCode::Cosh => x.math("cosh"),
        OpCode::Tanh => x.math("tanh"),
        OpCode::Asinh => x.math("asinh"),
        OpCode::Acosh => x.math("acosh"),
        OpCode::Atanh => x.math("atanh"),
        OpCode::Erf => x.math("erf"),
        OpCode::Sigmoid => sigmoid(b, x),
        OpCode::Silu => x * sigmoid(b, x),
        OpCode::Softplus => softplus(b, x),
        OpCode::Mish => {
            let s = softplus(b, x);
            x * b.let_(s).math("tanh")
        }
        OpCode::Gelu => {
            let erf = (x * float_const(x, std::f64::consts::FRAC_1_SQRT_2)).math("erf");
            x * float_const(x, 0.5) * (float_const(x, 1.0) + erf)
        }
        OpCode::GeluTanh => {
            let inner = float_const(x, (2.0 / std::f64::consts::PI).sqrt())
                * (x.clone() + float_const(x, 0.044715) * x.clone() * x.clone() * x.clone());
            x * float_const(x, 0.5) * (float_const(x, 1.0) + inner.math("tanh"))
        }
        OpCode::HardSwish => x * clamp01(x / float_const(x, 6.0) + float_const(x, 0.5)),
        OpCode::HardSigmoid => clamp01(x * float_const(x, op.float("alpha")) + float_const(x, op.float("beta"))),
        OpCode::LeakyRelu => x.lt(zero).select(x * Expr::constant(ty, op.float("alpha")), x.clone()),
        OpCode::Elu => {
            let below = b.let_(float_const(x, op.float("alpha")) * x.math("expm1"));
            x.lt(zero).select(below, x.clone())
        }
        OpCode::Clip => {
            let (lo, hi) = (op.float("lo"), op.float("hi"));
            if is_float {
                x.max(Expr::constant(ty, lo)).min(Expr::constant(ty, hi))
            } else {
                // Bounds of no type's range hold what the range allows; as i64 the bits are those of any type.
                let (least, most) = int_range(ty);
                let lo = (lo.ceil() as i128).clamp(least, most) as i64;
                let hi = (hi.floor() as i128).clamp(least, most) as i64;
                x.max(Expr::int(ty, lo)).min(Expr::int(ty, hi))
            }
        }
        OpCode::IsNan => x.ne_(x.clone()),
        OpCode::IsInf => {
            let infinite = |sign: f64| x.eq_(float_const(x, sign * f64::INFINITY));
            match (op.flag("pos"), op.flag("neg")) {
                (true, true) => infinite(1.0).or(infinite(-1.0)),
                (true, false) => infinite(1.0),
                (false, true) => infinite(-1.0),
                (false, false) => Expr::bool(false),
            }
        }
        OpCode::Not | OpCode::BitNot => x.not(),
        _ => return None,
    })
}

fn binary(b: &mut Builder<'_>, op: &Op, x: &Expr, y: &Expr, node: Option<i32>) -> Option<Expr> {
    let ty = x.ty();
    let is_float = ty.is_float();
    if can_fail(op, ty) {
        b.check(y.ne_(Expr::int(ty, 0)), DIVISION_BY_ZERO, node, 0);
        if op.code == OpCode::Div && ty.is_signed() {
            let least = Expr::int(ty, i64::MIN >> (64 - ty.bits()));
            b.check(y.ne_(Expr::int(ty, -1)).or(x.ne_(least)), DIVISION_BY_ZERO, node, -1);
        }
    }
    Some(match op.code {
        OpCode::Add => x + y,
        OpCode::Sub => x - y,
        OpCode::Mul => x * y,
        OpCode::Div => x / y,
        OpCode::Pow if is_float => x.math2("pow", y.clone()),
        OpCode::Pow => int_power(b, x, y),
        OpCode::Min => x.min(y.clone()),
        OpCode::Max => x.max(y.clone()),
        OpCode::Rem if is_float => {
            let rest = b.let_(x.math2("fmod", y.clone()));
            let zero = float_const(x, 0.0);
            let opposite = rest.lt(zero.clone()).xor(y.lt(zero.clone())).and(rest.ne_(zero));
            opposite.select(&rest + y, rest)
        }
        OpCode::Rem => x.floor_mod(y.clone()),
        OpCode::Fmod if is_float => x.math2("fmod", y.clone()),
        OpCode::Fmod => x.rem(y.clone()),
        OpCode::And | OpCode::BitAnd => x.and(y.clone()),
        OpCode::Or | OpCode::BitOr => x.or(y.clone()),
        OpCode::Xor | OpCode::BitXor => x.xor(y.clone()),
        OpCode::Shl => x.shl(y.clone()),
        OpCode::Shr => x.shr(y.clone()),
        OpCode::Eq => x.eq_(y.clone()),
        OpCode::Lt => x.lt(y.clone()),
        OpCode::Le => x.le(y.clone()),
        _ => return None,
    })
}

/// The runtime's row kernel for an f32 elementwise op.
pub(crate) enum RowOp {
    /// `name(n, x, y)`
    Unary(&'static str),
    /// `v_act(n, x, y, code, p0, p1)`
    Act(i64, f64, f64),
    /// `v_clip(n, x, lo, hi, y)`
    Clip(f64, f64),
    /// `name(n, a, sa, b, sb, y)`
    Binary(&'static str),
    /// `v_quantize(n, x, sx, scale, ss, zero, sz, lo, hi, y)`
    Quantize(f64, f64),
}

/// Which row kernel computes the op; `None` if none does.
pub(crate) fn row_op(op: &Op) -> Option<RowOp> {
    use RowOp::{Act, Binary, Clip, Quantize, Unary};
    Some(match op.code {
        OpCode::Neg => Unary("v_neg"),
        OpCode::Abs => Unary("v_abs"),
        OpCode::Sign => Unary("v_sign"),
        OpCode::Floor => Unary("v_floor"),
        OpCode::Ceil => Unary("v_ceil"),
        OpCode::Round => Unary("v_round"),
        OpCode::Relu => Unary("v_relu"),
        OpCode::Square => Unary("v_square"),
        OpCode::Exp => Unary("v_exp"),
        OpCode::Log => Unary("v_log"),
        OpCode::Sqrt => Unary("v_sqrt"),
        OpCode::Recip => Unary("v_recip"),
        OpCode::Sin => Unary("v_sin"),
        OpCode::Cos => Unary("v_cos"),
        OpCode::Tanh => Unary("v_tanh"),
        OpCode::Erf => Unary("v_erf"),
        OpCode::Sigmoid => Unary("v_sigmoid"),
        OpCode::Softplus => Unary("v_softplus"),
        OpCode::Silu => Unary("v_silu"),
        OpCode::Mish => Unary("v_mish"),
        OpCode::Gelu => Unary("v_gelu_erf"),
        OpCode::GeluTanh => Unary("v_gelu_tanh"),
        OpCode::HardSwish => Unary("v_hardswish"),
        OpCode::HardSigmoid => Act(9, op.float("alpha"), op.float("beta")),
        OpCode::LeakyRelu => Act(10, op.float("alpha"), 0.0),
        OpCode::Elu => Act(11, op.float("alpha"), 0.0),
        OpCode::Clip => Clip(op.float("lo"), op.float("hi")),
        OpCode::Quantize => Quantize(op.float("lo"), op.float("hi")),
        OpCode::Add => Binary("v_add"),
        OpCode::Sub => Binary("v_sub"),
        OpCode::Mul => Binary("v_mul"),
        OpCode::Div => Binary("v_div"),
        OpCode::Min => Binary("v_min"),
        OpCode::Max => Binary("v_max"),
        OpCode::Pow => Binary("v_pow"),
        _ => return None,
    })
}

/// Code and parameters of an op's `act` attribute for the runtime.
pub(crate) fn activation_args(op: &Op) -> [Expr; 3] {
    let activation = lathe_ir::activation::Activation::of(op.word("act"), op.float("p0"), op.float("p1"));
    [Expr::i64(activation.code as i64), Expr::f32(activation.p0 as f32), Expr::f32(activation.p1 as f32)]
}
