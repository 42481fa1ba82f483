//! Activations that ops can apply in their epilogue, and that stand alone as unary ops.

/// Words of the `act` attribute, in the order of the runtime's activation codes.
pub const ACTIVATIONS: &[&str] = &[
    "none",
    "relu",
    "gelu",
    "gelu_tanh",
    "silu",
    "clip",
    "sigmoid",
    "tanh",
    "hardswish",
    "hardsigmoid",
    "leaky_relu",
    "elu",
    "softplus",
    "mish",
    "erf",
    "exp",
];

/// An activation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// Position in [`ACTIVATIONS`]: also the runtime's code.
    pub code: usize,
    /// First parameter: lower end of clip, alpha of hardsigmoid, leaky_relu and elu.
    pub p0: f64,
    /// Second parameter: upper end of clip, beta of hardsigmoid.
    pub p1: f64,
}

impl Activation {
    /// The activation of that word; an unknown word is `none` (attribute kinds are checked before).
    pub fn of(word: &str, p0: f64, p1: f64) -> Activation {
        Activation { code: ACTIVATIONS.iter().position(|name| *name == word).unwrap_or(0), p0, p1 }
    }

    /// Its value at x; NaN gives NaN.
    pub fn apply(&self, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let softplus = |x: f64| if x > 30.0 { x } else { x.exp().ln_1p() };
        match ACTIVATIONS[self.code] {
            "relu" => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            "gelu" => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            "gelu_tanh" => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
            "silu" => x * sigmoid(x),
            "clip" => {
                if x.is_nan() {
                    x
                } else {
                    x.max(self.p0).min(self.p1)
                }
            }
            "sigmoid" => sigmoid(x),
            "tanh" => x.tanh(),
            "hardswish" => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            "hardsigmoid" => (self.p0 * x + self.p1).clamp(0.0, 1.0),
            "leaky_relu" => {
                if x < 0.0 {
                    self.p0 * x
                } else {
                    x
                }
            }
            "elu" => {
                if x < 0.0 {
                    self.p0 * x.exp_m1()
                } else {
                    x
                }
            }
            "softplus" => softplus(x),
            "mish" => x * softplus(x).tanh(),
            "erf" => erf(x),
            "exp" => x.exp(),
            _ => x,
        }
    }
}

/// Error function to about 1e-16: Taylor series near 0, continued fraction of erfc further out.
pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let z = x.abs();
    if z > 6.0 {
        return x.signum();
    }
    let value = if z < 2.5 {
        let (mut term, mut sum) = (z, z);
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            let add = term / f64::from(2 * n + 1);
            sum += add;
            if add.abs() < sum.abs() * 1e-18 {
                break;
            }
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let mut fraction = z;
        for n in (1..80).rev() {
            fraction = z + f64::from(n) * 0.5 / fraction;
        }
        1.0 - (-z * z).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}
