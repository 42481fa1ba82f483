//! Elements whose value is known at import: the shape arithmetic of ONNX graphs.
//!
//! Exporters compute shapes with ordinary nodes (Shape, Gather, Mul, Concat ...). Their values are followed element by
//! element: an integer, a symbolic [`Dim`], a float, or a dimension over a constant (the detour through floats that
//! resizing by a scale makes). Arithmetic that cannot be told exactly gives `None`, and the node is imported as an
//! op on data instead. Sizes are taken to fit the type that the model computes them in (no wrap-around in int32, no
//! rounding in float32 above 2^24); other than that nothing here rounds away from what the op would compute.

use lathe_ir::{DType, Dim, Symbols, Tensor};

/// At most this many elements of one value are followed.
pub(super) const MAX_KNOWN: usize = 1024;

/// One element of a tensor whose value is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Elem {
    /// An integer (or a bool as 0 or 1), within the range of the tensor's element type.
    Int(i64),
    /// An integer that depends on symbols; never a constant, never [`Dim::OVERFLOW`].
    Dim(Dim),
    /// A float, already rounded to the tensor's element type.
    Float(f64),
    /// A float: a dimension (never a constant) over a positive power of two.
    Ratio(Dim, i64),
}

/// Operations on two elements of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Min,
    Max,
    Pow,
}

/// Comparisons of two elements of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Eq,
    Lt,
    Le,
}

/// Operations on one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Neg,
    Abs,
    Floor,
    Ceil,
    Round,
    Sqrt,
    Reciprocal,
}

impl Elem {
    /// An element from a dimension; `None` beyond the limits of dimensions.
    pub(super) fn from_dim(dim: Dim) -> Option<Elem> {
        match dim.as_const() {
            Some(value) => Some(Elem::Int(value)),
            None if dim.is_overflow() => None,
            None => Some(Elem::Dim(dim)),
        }
    }

    /// The element as a dimension; `None` for floats and for integers beyond the limits of dimensions.
    pub(super) fn to_dim(&self) -> Option<Dim> {
        match self {
            Elem::Int(value) => Some(Dim::constant(*value)).filter(|dim| !dim.is_overflow()),
            Elem::Dim(dim) => Some(dim.clone()),
            Elem::Float(_) | Elem::Ratio(..) => None,
        }
    }

    /// The integer, if it is one.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Elem::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The float as a fraction of a dimension; exact.
    fn to_ratio(&self) -> Option<(Dim, i64)> {
        match self {
            Elem::Ratio(dim, by) => Some((dim.clone(), *by)),
            Elem::Float(value) => {
                // A float is a fraction with a power of two below; only small ones are of use.
                let mut by = 1i64;
                let mut scaled = *value;
                while scaled.fract() != 0.0 {
                    if by >= 1 << 30 {
                        return None;
                    }
                    by *= 2;
                    scaled *= 2.0;
                }
                (scaled.abs() <= (1i64 << 40) as f64).then(|| (Dim::constant(scaled as i64), by))
            }
            Elem::Int(_) | Elem::Dim(_) => None,
        }
    }
}

/// The elements of a constant tensor; `None` if there are more than [`MAX_KNOWN`].
pub(super) fn elems_of(tensor: &Tensor) -> Option<Vec<Elem>> {
    if tensor.len() > MAX_KNOWN || tensor.dtype().is_storage() {
        return None;
    }
    let is_float = tensor.dtype().is_float();
    // An unsigned 64-bit value of 2^63 or more would look negative.
    let fits = tensor.dtype() != DType::U64 || (0..tensor.len()).all(|index| tensor.i64_at(index) >= 0);
    fits.then(|| {
        (0..tensor.len())
            .map(|i| if is_float { Elem::Float(tensor.f64_at(i)) } else { Elem::Int(tensor.i64_at(i)) })
            .collect()
    })
}

/// A constant tensor of elements that depend on no symbol; `None` if one does.
pub(super) fn tensor_of(dtype: DType, shape: &[usize], elems: &[Elem]) -> Option<Tensor> {
    if dtype.is_float() {
        let values: Option<Vec<f64>> = elems
            .iter()
            .map(|elem| match elem {
                Elem::Float(value) => Some(*value),
                _ => None,
            })
            .collect();
        return Some(Tensor::from_f64(dtype, shape, &values?));
    }
    let values: Option<Vec<i64>> = elems.iter().map(Elem::as_int).collect();
    Some(Tensor::from_i64(dtype, shape, &values?))
}

/// The elements of a row-major tensor at `start + i * step` along each axis, for all `i` below `sizes`; steps in elements.
/// `None` where a position is outside.
pub(super) fn pick(elems: &[Option<Elem>], sizes: &[usize], start: i64, steps: &[i64]) -> Vec<Option<Elem>> {
    (0..few(sizes).unwrap_or(0))
        .map(|index| {
            let (mut rest, mut position) = (index, start);
            for (&size, &step) in sizes.iter().zip(steps).rev() {
                position = position.checked_add(step.checked_mul((rest % size) as i64)?)?;
                rest /= size;
            }
            elems.get(usize::try_from(position).ok()?).cloned().flatten()
        })
        .collect()
}

/// Number of elements, if it is one that is followed. Sizes around a 0 are bounded as well, so that products of some
/// of them do not overflow.
pub(super) fn few(sizes: &[usize]) -> Option<usize> {
    let count = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))?;
    match sizes.contains(&0) {
        true => (count <= 1 << 48).then_some(0),
        false => (count <= MAX_KNOWN).then_some(count),
    }
}

/// Row-major strides in elements.
pub(super) fn strides(sizes: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(sizes[axis] as i64);
    }
    strides
}

/// `value` rounded to a float type.
fn round_to(dtype: DType, value: f64) -> f64 {
    Tensor::scalar(dtype, value).f64_at(0)
}

/// The integer if it is a value of the type.
fn int_in(dtype: DType, value: i128) -> Option<Elem> {
    let bits = 8 * dtype.size() as u32;
    let (low, high) = match dtype {
        DType::Bool => (0, 1),
        DType::U64 => (0, i128::from(i64::MAX)),
        _ if dtype.is_unsigned() => (0, (1i128 << bits) - 1),
        _ => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
    };
    (low..=high).contains(&value).then_some(Elem::Int(value as i64))
}

/// Arithmetic on elements under the ranges of the symbols.
#[derive(Clone, Copy)]
pub(super) struct Known<'s> {
    /// The symbols with their ranges.
    pub(super) symbols: &'s Symbols,
}

impl Known<'_> {
    /// True if the dimension is not negative, false if it is, `None` if it depends.
    pub(super) fn is_non_negative(&self, dim: &Dim) -> Option<bool> {
        if self.ge(dim, &Dim::ZERO) {
            Some(true)
        } else if self.ge(&Dim::from(-1), dim) {
            Some(false)
        } else {
            None
        }
    }

    /// True if a >= b whatever the symbols are.
    fn ge(&self, a: &Dim, b: &Dim) -> bool {
        super::data_sizes::at_least(a, b, self.symbols)
    }

    /// The smaller of the two, decided by ranges where they allow it.
    pub(super) fn min(&self, a: &Dim, b: &Dim) -> Dim {
        if self.ge(a, b) {
            b.clone()
        } else if self.ge(b, a) {
            a.clone()
        } else {
            a.minimum(b)
        }
    }

    /// The larger of the two, decided by ranges where they allow it.
    pub(super) fn max(&self, a: &Dim, b: &Dim) -> Dim {
        if self.ge(a, b) {
            a.clone()
        } else if self.ge(b, a) {
            b.clone()
        } else {
            a.maximum(b)
        }
    }

    /// `op(a, b)` for elements of that type.
    pub(super) fn arith(&self, op: Arith, dtype: DType, a: &Elem, b: &Elem) -> Option<Elem> {
        match (a, b) {
            (Elem::Int(x), Elem::Int(y)) => int_arith(op, dtype, *x, *y),
            (Elem::Float(x), Elem::Float(y)) => float_arith(op, dtype, *x, *y),
            (Elem::Int(_) | Elem::Dim(_), Elem::Int(_) | Elem::Dim(_)) => {
                self.dim_arith(op, &a.to_dim()?, &b.to_dim()?)
            }
            _ => {
                let ((x, p), (y, q)) = (a.to_ratio()?, b.to_ratio()?);
                self.ratio_arith(op, (x, p), (y, q))
            }
        }
    }

    fn dim_arith(&self, op: Arith, x: &Dim, y: &Dim) -> Option<Elem> {
        Elem::from_dim(match op {
            Arith::Add => x + y,
            Arith::Sub => x - y,
            Arith::Mul => x * y,
            Arith::Min => self.min(x, y),
            Arith::Max => self.max(x, y),
            // Truncation is floor only where nothing is negative; floor needs a positive divisor here.
            Arith::Div if self.is_non_negative(x)? && self.is_non_negative(&(y - &Dim::ONE))? => x.floor_div(y),
            Arith::Mod if self.is_non_negative(&(y - &Dim::ONE))? => x.modulo(y),
            Arith::Div | Arith::Mod | Arith::Pow => return None,
        })
    }

    fn ratio_arith(&self, op: Arith, (x, p): (Dim, i64), (y, q): (Dim, i64)) -> Option<Elem> {
        let common = p.max(q);
        let (wide_x, wide_y) = (&x * &Dim::constant(common / p), &y * &Dim::constant(common / q));
        match op {
            Arith::Add => self.reduced(&wide_x + &wide_y, common),
            Arith::Sub => self.reduced(&wide_x - &wide_y, common),
            Arith::Min => self.reduced(self.min(&wide_x, &wide_y), common),
            Arith::Max => self.reduced(self.max(&wide_x, &wide_y), common),
            Arith::Mul => self.reduced(&x * &y, p.checked_mul(q)?),
            // Exact only if the divisor is a power of two, which turns it into a multiplication.
            Arith::Div => {
                let by = y.as_const()?;
                if by <= 0 || by.count_ones() != 1 {
                    return None;
                }
                self.reduced(&x * &Dim::constant(q), p.checked_mul(by)?)
            }
            Arith::Mod | Arith::Pow => None,
        }
    }

    /// `dim / by` in lowest terms.
    fn reduced(&self, dim: Dim, mut by: i64) -> Option<Elem> {
        if dim.is_overflow() || by > 1 << 40 {
            return None;
        }
        if let Some(value) = dim.as_const() {
            return Some(Elem::Float(value as f64 / by as f64));
        }
        let mut dim = dim;
        while by > 1 {
            let half = dim.floor_div(&Dim::constant(2));
            if &half * &Dim::constant(2) != dim {
                break;
            }
            dim = half;
            by /= 2;
        }
        Some(Elem::Ratio(dim, by))
    }

    /// `op(a, b)`; `None` if it depends on the symbols.
    pub(super) fn compare(&self, op: Compare, a: &Elem, b: &Elem) -> Option<bool> {
        // Compared as dimensions over a common divisor.
        let (x, y) = match (a, b) {
            (Elem::Int(x), Elem::Int(y)) => return Some(compare(op, x, y)),
            (Elem::Float(x), Elem::Float(y)) => return Some(compare(op, x, y)),
            (Elem::Int(_) | Elem::Dim(_), Elem::Int(_) | Elem::Dim(_)) => (a.to_dim()?, b.to_dim()?),
            _ => {
                let ((x, p), (y, q)) = (a.to_ratio()?, b.to_ratio()?);
                (&x * &Dim::constant(q), &y * &Dim::constant(p))
            }
        };
        if x == y {
            return Some(op != Compare::Lt);
        }
        let next = |dim: &Dim| dim + &Dim::ONE;
        match op {
            Compare::Eq if x.known_ne(&y) || self.ge(&x, &next(&y)) || self.ge(&y, &next(&x)) => Some(false),
            Compare::Lt if self.ge(&y, &next(&x)) => Some(true),
            Compare::Lt if self.ge(&x, &y) => Some(false),
            Compare::Le if self.ge(&y, &x) => Some(true),
            Compare::Le if self.ge(&x, &next(&y)) => Some(false),
            _ => None,
        }
    }

    /// `op(a)` for an element of that type.
    pub(super) fn unary(&self, op: Unary, dtype: DType, a: &Elem) -> Option<Elem> {
        match a {
            Elem::Int(x) => match op {
                Unary::Neg => int_in(dtype, -i128::from(*x)),
                Unary::Abs => int_in(dtype, i128::from(*x).abs()),
                Unary::Floor | Unary::Ceil | Unary::Round => Some(a.clone()),
                Unary::Sqrt | Unary::Reciprocal => None,
            },
            Elem::Float(x) => Some(Elem::Float(round_to(
                dtype,
                match op {
                    Unary::Neg => -x,
                    Unary::Abs => x.abs(),
                    Unary::Floor => x.floor(),
                    Unary::Ceil => x.ceil(),
                    Unary::Round => x.round_ties_even(),
                    Unary::Sqrt => x.sqrt(),
                    Unary::Reciprocal => 1.0 / x,
                },
            ))),
            Elem::Dim(dim) => match op {
                Unary::Neg => Elem::from_dim(&Dim::ZERO - dim),
                Unary::Abs if self.is_non_negative(dim)? => Some(a.clone()),
                Unary::Floor | Unary::Ceil | Unary::Round => Some(a.clone()),
                _ => None,
            },
            Elem::Ratio(dim, by) => match op {
                Unary::Neg => self.reduced(&Dim::ZERO - dim, *by),
                Unary::Abs if self.is_non_negative(dim)? => Some(a.clone()),
                Unary::Floor => self.reduced(dim.floor_div(&Dim::constant(*by)), 1),
                Unary::Ceil => self.reduced(dim.ceil_div(&Dim::constant(*by)), 1),
                Unary::Round if *by == 1 => Some(a.clone()),
                _ => None,
            },
        }
    }

    /// An element as one of type `to`.
    pub(super) fn cast(&self, to: DType, a: &Elem) -> Option<Elem> {
        match a {
            _ if to.is_storage() => None,
            Elem::Int(x) if to.is_float() && x.unsigned_abs() > 1 << 53 => None,
            Elem::Int(x) if to.is_float() => Some(Elem::Float(round_to(to, *x as f64))),
            Elem::Int(x) if to == DType::Bool => Some(Elem::Int(i64::from(*x != 0))),
            // Wrapping and unsigned 64-bit oddities are left to the op.
            Elem::Int(x) => int_in(to, i128::from(*x)),
            Elem::Float(x) if to.is_float() => Some(Elem::Float(round_to(to, *x))),
            Elem::Float(x) if to == DType::Bool => Some(Elem::Int(i64::from(*x != 0.0))),
            Elem::Float(x) if x.abs() < 9e18 => int_in(to, x.trunc() as i128),
            Elem::Float(_) => None,
            Elem::Dim(dim) if to.is_float() => Some(Elem::Ratio(dim.clone(), 1)),
            Elem::Dim(_) if to == DType::Bool => {
                self.compare(Compare::Eq, a, &Elem::Int(0)).map(|zero| Elem::Int(i64::from(!zero)))
            }
            Elem::Dim(dim) if to.is_unsigned() && self.is_non_negative(dim) != Some(true) => None,
            // Sizes are taken to fit the integer type that the model computes them in.
            Elem::Dim(_) if to.size() >= 4 => Some(a.clone()),
            Elem::Dim(_) => None,
            Elem::Ratio(..) if to.is_float() => Some(a.clone()),
            Elem::Ratio(dim, by) if to.is_int() && to.size() >= 4 => {
                // Truncation is floor only where nothing is negative.
                if *by > 1 && !self.is_non_negative(dim)? {
                    return None;
                }
                Elem::from_dim(dim.floor_div(&Dim::constant(*by)))
            }
            Elem::Ratio(..) => None,
        }
    }
}

fn compare<T: PartialOrd>(op: Compare, a: &T, b: &T) -> bool {
    match op {
        Compare::Eq => a == b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
    }
}

fn int_arith(op: Arith, dtype: DType, x: i64, y: i64) -> Option<Elem> {
    let (a, b) = (i128::from(x), i128::from(y));
    let value = match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div if b != 0 => a / b,
        Arith::Mod if b != 0 => a - b * a.div_euclid(b.abs()) * b.signum(),
        Arith::Min => a.min(b),
        Arith::Max => a.max(b),
        Arith::Pow => i128::from(x.checked_pow(u32::try_from(y).ok()?)?),
        Arith::Div | Arith::Mod => return None,
    };
    let value = match op {
        // Sign of the divisor.
        Arith::Mod if b < 0 && value > 0 => value + b,
        _ => value,
    };
    int_in(dtype, value)
}

fn float_arith(op: Arith, dtype: DType, x: f64, y: f64) -> Option<Elem> {
    let value = match op {
        Arith::Add => x + y,
        Arith::Sub => x - y,
        Arith::Mul => x * y,
        Arith::Div => x / y,
        Arith::Min if !x.is_nan() && !y.is_nan() => x.min(y),
        Arith::Max if !x.is_nan() && !y.is_nan() => x.max(y),
        Arith::Min | Arith::Max => f64::NAN,
        Arith::Mod | Arith::Pow => return None,
    };
    Some(Elem::Float(round_to(dtype, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_ir::{Symbol, SymbolInfo};

    fn symbols() -> Symbols {
        Symbols::from([(Symbol::new("N"), SymbolInfo { lo: 1, hi: Some(64), ..SymbolInfo::default() })])
    }

    fn n() -> Elem {
        Elem::Dim(Dim::symbol(&Symbol::new("N")))
    }

    #[test]
    fn integers_follow_onnx() {
        let symbols = symbols();
        let known = Known { symbols: &symbols };
        let int = |op, x, y| known.arith(op, DType::I64, &Elem::Int(x), &Elem::Int(y)).and_then(|e| e.as_int());
        assert_eq!(int(Arith::Div, -7, 2), Some(-3));
        assert_eq!(int(Arith::Mod, -7, 3), Some(2));
        assert_eq!(int(Arith::Mod, 7, -3), Some(-2));
        assert_eq!(int(Arith::Mod, -7, -3), Some(-1));
        assert_eq!(int(Arith::Mod, -6, -3), Some(0));
        assert_eq!(int(Arith::Div, 1, 0), None);
        assert_eq!(int(Arith::Div, i64::MIN, -1), None);
        assert_eq!(int(Arith::Mul, i64::MAX, 2), None);
        assert_eq!(int(Arith::Pow, 2, 10), Some(1024));
        assert_eq!(known.arith(Arith::Add, DType::I8, &Elem::Int(100), &Elem::Int(100)), None);
    }

    #[test]
    fn ranges_decide_comparisons() {
        let symbols = symbols();
        let known = Known { symbols: &symbols };
        assert_eq!(known.compare(Compare::Eq, &n(), &Elem::Int(-1)), Some(false));
        assert_eq!(known.compare(Compare::Eq, &n(), &Elem::Int(5)), None);
        assert_eq!(known.compare(Compare::Le, &n(), &Elem::Int(64)), Some(true));
        assert_eq!(known.compare(Compare::Lt, &Elem::Int(0), &n()), Some(true));
    }

    #[test]
    fn floats_of_sizes_stay_exact() {
        let symbols = symbols();
        let known = Known { symbols: &symbols };
        let as_float = known.cast(DType::F32, &n()).unwrap();
        let scaled = known.arith(Arith::Mul, DType::F32, &as_float, &Elem::Float(2.5)).unwrap();
        let floor = known.unary(Unary::Floor, DType::F32, &scaled).unwrap();
        let back = known.cast(DType::I64, &floor).unwrap();
        assert_eq!(back.to_dim().unwrap().to_string(), "floordiv(5*N, 2)");
        assert_eq!(known.arith(Arith::Mul, DType::F32, &as_float, &Elem::Float(0.3)), None);
        assert_eq!(known.arith(Arith::Div, DType::F32, &as_float, &Elem::Float(3.0)), None);
    }
}
