//! Activations that ops can apply in their epilogue, and that stand alone as unary ops.

macro_rules! activations {
    ($($(#[doc = $doc:literal])* $name:literal = $formula:expr;)+) => {
        /// Words of the `act` attribute, in the order of the runtime's activation codes.
        pub const ACTIVATIONS: &[&str] = &[$($name),+];
        /// Their formulas of x, p0 and p1, in the same order.
        const FORMULAS: &[fn(f64, f64, f64) -> f64] = &[$($formula),+];
    };
}

activations! {
    "none" = |x, _, _| x;
    "relu" = |x, _, _| if x < 0.0 { 0.0 } else { x };
    "gelu" = |x, _, _| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
    "gelu_tanh" = |x, _, _| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh());
    "silu" = |x, _, _| x * sigmoid(x);
    "clip" = |x, lo, hi| if x.is_nan() { x } else { x.max(lo).min(hi) };
    "sigmoid" = |x, _, _| sigmoid(x);
    "tanh" = |x, _, _| x.tanh();
    "hardswish" = |x, _, _| x * (x / 6.0 + 0.5).clamp(0.0, 1.0);
    "hardsigmoid" = |x, alpha, beta| (alpha * x + beta).clamp(0.0, 1.0);
    "leaky_relu" = |x, alpha, _| if x < 0.0 { alpha * x } else { x };
    "elu" = |x, alpha, _| if x < 0.0 { alpha * x.exp_m1() } else { x };
    "softplus" = |x, _, _| softplus(x);
    "mish" = |x, _, _| x * softplus(x).tanh();
    "erf" = |x, _, _| erf(x);
    "exp" = |x, _, _| x.exp();
}

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

    /// Its value at x; NaN gives NaN. A code beyond the table is `none`.
    pub fn apply(&self, x: f64) -> f64 {
        FORMULAS.get(self.code).map_or(x, |formula| formula(x, self.p0, self.p1))
    }
}

/// Words of the activations of recurrent cells.
pub const CELL_ACTIVATIONS: &[&str] = &[
    "relu",
    "sigmoid",
    "tanh",
    "hardsigmoid",
    "leaky_relu",
    "elu",
    "softplus",
    "affine",
    "thresholded_relu",
    "scaled_tanh",
    "softsign",
];

/// An activation of a recurrent cell with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellActivation<'a> {
    /// One of [`CELL_ACTIVATIONS`].
    pub word: &'a str,
    /// First parameter.
    pub alpha: f64,
    /// Second parameter.
    pub beta: f64,
}

impl<'a> CellActivation<'a> {
    /// The activation of that word; an unknown word is the identity (attribute kinds are checked before).
    pub fn of(word: &'a str, alpha: f64, beta: f64) -> CellActivation<'a> {
        CellActivation { word, alpha, beta }
    }

    /// Its value at x.
    pub fn apply(&self, x: f64) -> f64 {
        let (alpha, beta) = (self.alpha, self.beta);
        match self.word {
            "affine" => alpha * x + beta,
            "thresholded_relu" => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            "scaled_tanh" => alpha * (beta * x).tanh(),
            "softsign" => x / (1.0 + x.abs()),
            word => Activation::of(word, alpha, beta).apply(x),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 + e^x) without overflow: the larger of x and 0, plus what is left.
fn softplus(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
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
