//! Scalar functions `s_*` of the micro-kernel table, computed here in `f64`: the meaning, not the speed.

use super::memory::Value;

/// Result of the scalar function with this name; `None` if it is not one.
pub(super) fn scalar(name: &str, args: &[Value]) -> Option<Value> {
    let name = name.strip_prefix("s_")?;
    match (name, args) {
        ("cvt_f16_f32", [Value::Int(v)]) => return Some(Value::F32(half::f16::from_bits(*v as u16).to_f32())),
        ("cvt_bf16_f32", [Value::Int(v)]) => return Some(Value::F32(half::bf16::from_bits(*v as u16).to_f32())),
        ("cvt_f32_f16", [Value::F32(v)]) => return Some(Value::Int(half::f16::from_f32(*v).to_bits() as i64)),
        ("cvt_f32_bf16", [Value::F32(v)]) => return Some(Value::Int(half::bf16::from_f32(*v).to_bits() as i64)),
        _ => {}
    }
    let (base, single) = match name.strip_suffix("_f32") {
        Some(base) => (base, true),
        None => (name.strip_suffix("_f64")?, false),
    };
    let number = |v: &Value| match v {
        Value::F32(v) if single => Some(*v as f64),
        Value::F64(v) if !single => Some(*v),
        _ => None,
    };
    let result = match args {
        [a] => unary(base, number(a)?)?,
        [a, b] => {
            let (a, b) = (number(a)?, number(b)?);
            match base {
                "pow" => a.powf(b),
                "fmod" => a % b,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(if single { Value::F32(result as f32) } else { Value::F64(result) })
}

/// Whether the interpreter computes this micro-kernel itself instead of running a body.
pub fn is_scalar(name: &str) -> bool {
    let candidates: [&[Value]; 6] = [
        &[Value::F32(0.5)],
        &[Value::F64(0.5)],
        &[Value::Int(0)],
        &[Value::F32(0.5), Value::F32(0.5)],
        &[Value::F64(0.5), Value::F64(0.5)],
        &[],
    ];
    candidates.iter().any(|args| scalar(name, args).is_some())
}

fn unary(name: &str, x: f64) -> Option<f64> {
    Some(match name {
        "exp" => x.exp(),
        "exp2" => x.exp2(),
        "expm1" => x.exp_m1(),
        "log" => x.ln(),
        "log1p" => x.ln_1p(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "asin" => x.asin(),
        "acos" => x.acos(),
        "atan" => x.atan(),
        "sinh" => x.sinh(),
        "cosh" => x.cosh(),
        "tanh" => x.tanh(),
        "asinh" => asinh(x),
        "acosh" => x.acosh(),
        "atanh" => x.atanh(),
        "erf" => erf(x),
        "round" => x.round_ties_even(),
        _ => return None,
    })
}

/// Keeps the sign of zero and precision near it, which the textbook formula loses.
fn asinh(x: f64) -> f64 {
    let a = x.abs();
    let small = a + a * a / (1.0 + (a * a + 1.0).sqrt());
    let value = if a > 1e150 { a.ln() + std::f64::consts::LN_2 } else { small.ln_1p() };
    if a.is_infinite() { x } else { value.copysign(x) }
}

/// Error function: the Maclaurin series up to 2.5, beyond it the continued fraction of erfc. Error about 1e-15.
pub(super) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    if a <= 2.5 {
        let (mut term, mut sum) = (a, a);
        for n in 1..80 {
            let n = n as f64;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        return (sum * std::f64::consts::FRAC_2_SQRT_PI).copysign(x);
    }
    if a > 6.5 {
        return 1f64.copysign(x);
    }
    let mut fraction = 0.0;
    for k in (1..120).rev() {
        fraction = k as f64 / 2.0 / (a + fraction);
    }
    let erfc = (-a * a).exp() / std::f64::consts::PI.sqrt() / (a + fraction);
    (1.0 - erfc).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_known_values() {
        for (x, y) in [
            (0.0, 0.0),
            (0.5, 0.5204998778130465),
            (1.0, 0.8427007929497149),
            (2.0, 0.9953222650189527),
            (2.5, 0.999593047982555),
            (3.0, 0.9999779095030014),
            (-4.0, -0.9999999845827421),
        ] {
            assert!((erf(x) - y).abs() < 1e-14, "erf({x}) = {}", erf(x));
        }
        assert_eq!(erf(f64::INFINITY), 1.0);
        assert!(erf(f64::NAN).is_nan());
    }
}
