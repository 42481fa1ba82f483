//! Element-wise kernels with two or three operands, each a row (stride 1) or one value (stride 0).

use super::act::act;
use super::math;
use super::pow::pow_block;
use super::simd::Simd;

/// Two operands, one result, element by element.
pub(crate) trait Binary {
    fn apply<V: Simd>(a: V, b: V) -> V;
}

macro_rules! binary_ops {
    ($($name:ident($a:ident, $b:ident) = $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Binary for $name {
            #[inline(always)]
            fn apply<V: Simd>($a: V, $b: V) -> V {
                $body
            }
        }
    )*};
}

binary_ops! {
    Add(a, b) = a.add(b);
    Sub(a, b) = a.sub(b);
    Mul(a, b) = a.mul(b);
    Div(a, b) = a.div(b);
    Min(a, b) = a.min_nan(b);
    Max(a, b) = a.max_nan(b);
    Pow(a, b) = pow_block(a, b);
}

/// A row or a single value.
#[derive(Clone, Copy)]
struct Operand<V> {
    row: *const f32,
    value: V,
}

impl<V: Simd> Operand<V> {
    /// # Safety
    /// At least one float is readable at `p`; the CPU has the tier of `V`.
    #[inline(always)]
    unsafe fn new(p: *mut u8) -> Self {
        let row = p.cast::<f32>().cast_const();
        // SAFETY: readable by contract.
        Operand { row, value: unsafe { V::splat(row.read_unaligned()) } }
    }
    /// # Safety
    /// `i + LANES` floats are readable if this is a row.
    #[inline(always)]
    unsafe fn get<const ROW: bool>(self, i: usize) -> V {
        // SAFETY: within the row by contract.
        if ROW { unsafe { V::load(self.row.add(i)) } } else { self.value }
    }
    /// # Safety
    /// `i + n` floats are readable if this is a row.
    #[inline(always)]
    unsafe fn get_part<const ROW: bool>(self, i: usize, n: usize) -> V {
        // SAFETY: within the row by contract.
        if ROW { unsafe { V::load_part(self.row.add(i), n, self.value.c(1.0)) } } else { self.value }
    }
}

/// # Safety
/// As for [`binary`], with the strides given by `A` and `B`, and n > 0.
#[inline(always)]
unsafe fn binary_loop<V: Simd, O: Binary, const A: bool, const B: bool>(n: usize, a: *mut u8, b: *mut u8, y: *mut u8) {
    let y = y.cast::<f32>();
    let mut i = 0;
    // SAFETY: all indices are below n, and single values are readable since n > 0.
    unsafe {
        let (a, b) = (Operand::<V>::new(a), Operand::<V>::new(b));
        while i + V::LANES <= n {
            O::apply(a.get::<A>(i), b.get::<B>(i)).store(y.add(i));
            i += V::LANES;
        }
        if i < n {
            let part = n - i;
            O::apply(a.get_part::<A>(i, part), b.get_part::<B>(i, part)).store_part(y.add(i), part);
        }
    }
}

/// # Safety
/// `n` floats (one where the stride is 0) are readable at `a` and `b`, `n` writable at `y`, which may be either operand.
#[inline(always)]
unsafe fn binary<V: Simd, O: Binary>(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) {
    if n <= 0 {
        return;
    }
    let n = n as usize;
    // SAFETY: the caller's contract.
    unsafe {
        match (sa != 0, sb != 0) {
            (true, true) => binary_loop::<V, O, true, true>(n, a, b, y),
            (true, false) => binary_loop::<V, O, true, false>(n, a, b, y),
            (false, true) => binary_loop::<V, O, false, true>(n, a, b, y),
            (false, false) => binary_loop::<V, O, false, false>(n, a, b, y),
        }
    }
}

/// # Safety
/// As for [`binary`].
#[inline(always)]
unsafe fn pow<V: Simd>(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) {
    // SAFETY: the caller's contract; the exponent is read only if there is one.
    unsafe {
        if n > 0 && sb == 0 && b.cast::<f32>().read_unaligned() == 2.0 {
            return binary::<V, Mul>(n, a, sa, a, sa, y); // the same bits: the square in double is exact
        }
        binary::<V, Pow>(n, a, sa, b, sb, y)
    }
}

/// Three operands, one result, element by element.
trait Ternary<V: Simd>: Copy {
    fn apply(self, a: V, b: V, c: V) -> V;
}

#[derive(Clone, Copy)]
struct Fma;

impl<V: Simd> Ternary<V> for Fma {
    #[inline(always)]
    fn apply(self, a: V, b: V, c: V) -> V {
        a.fma(b, c)
    }
}

/// clip(round(a / b) + c, lo, hi)
#[derive(Clone, Copy)]
struct Quantize {
    lo: f32,
    hi: f32,
}

impl<V: Simd> Ternary<V> for Quantize {
    #[inline(always)]
    fn apply(self, a: V, b: V, c: V) -> V {
        let whole = a.div(b).round_even().add(c);
        math::clip(whole, a.c(self.lo), a.c(self.hi))
    }
}

/// # Safety
/// As for [`binary`], with a third operand.
#[inline(always)]
unsafe fn ternary<V: Simd, O: Ternary<V>>(op: O, n: i64, operands: [(*mut u8, i64); 3], y: *mut u8) {
    if n <= 0 {
        return;
    }
    let (n, y) = (n as usize, y.cast::<f32>());
    let [(a, sa), (b, sb), (c, sc)] = operands;
    // SAFETY: all indices are below n, and single values are readable since n > 0.
    unsafe {
        let (a, b, c) = (Operand::<V>::new(a), Operand::<V>::new(b), Operand::<V>::new(c));
        let mut i = 0;
        while i + V::LANES <= n {
            let a = if sa != 0 { a.get::<true>(i) } else { a.value };
            let b = if sb != 0 { b.get::<true>(i) } else { b.value };
            let c = if sc != 0 { c.get::<true>(i) } else { c.value };
            op.apply(a, b, c).store(y.add(i));
            i += V::LANES;
        }
        if i < n {
            let part = n - i;
            let a = if sa != 0 { a.get_part::<true>(i, part) } else { a.value };
            let b = if sb != 0 { b.get_part::<true>(i, part) } else { b.value };
            let c = if sc != 0 { c.get_part::<true>(i, part) } else { c.value };
            op.apply(a, b, c).store_part(y.add(i), part);
        }
    }
}

/// # Safety
/// As for [`ternary`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn fma<V: Simd>(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, c: *mut u8, sc: i64, y: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe { ternary::<V, Fma>(Fma, n, [(a, sa), (b, sb), (c, sc)], y) }
}

/// # Safety
/// As for [`ternary`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn quantize<V: Simd>(
    n: i64,
    x: *mut u8,
    sx: i64,
    scale: *mut u8,
    ss: i64,
    zero: *mut u8,
    sz: i64,
    lo: f32,
    hi: f32,
    y: *mut u8,
) {
    // SAFETY: the caller's contract.
    unsafe { ternary::<V, Quantize>(Quantize { lo, hi }, n, [(x, sx), (scale, ss), (zero, sz)], y) }
}

/// # Safety
/// `n` floats are readable at `x` and writable at `y`, which is `x` or does not overlap it.
#[inline(always)]
unsafe fn activate<V: Simd>(n: i64, x: *mut u8, y: *mut u8, code: i64, p0: f32, p1: f32) {
    let (n, x, y) = (n.max(0) as usize, x.cast::<f32>(), y.cast::<f32>());
    // SAFETY: all indices are below n.
    unsafe {
        let (p0, p1) = (V::splat(p0), V::splat(p1));
        let mut i = 0;
        while i + V::LANES <= n {
            act(code, V::load(x.add(i)), p0, p1).store(y.add(i));
            i += V::LANES;
        }
        if i < n {
            act(code, V::load_part(x.add(i), n - i, p0), p0, p1).store_part(y.add(i), n - i);
        }
    }
}

/// # Safety
/// As for [`activate`].
#[inline(always)]
unsafe fn clip<V: Simd>(n: i64, x: *mut u8, lo: f32, hi: f32, y: *mut u8) {
    let (n, x, y) = (n.max(0) as usize, x.cast::<f32>(), y.cast::<f32>());
    // SAFETY: all indices are below n.
    unsafe {
        let (lo, hi) = (V::splat(lo), V::splat(hi));
        let mut i = 0;
        while i + V::LANES <= n {
            math::clip(V::load(x.add(i)), lo, hi).store(y.add(i));
            i += V::LANES;
        }
        if i < n {
            math::clip(V::load_part(x.add(i), n - i, lo), lo, hi).store_part(y.add(i), n - i);
        }
    }
}

tiers! {
    fn v_add(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = binary::<Add>;
    fn v_sub(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = binary::<Sub>;
    fn v_mul(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = binary::<Mul>;
    fn v_div(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = binary::<Div>;
    fn v_min(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = binary::<Min>;
    fn v_max(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = binary::<Max>;
    fn v_pow(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, y: *mut u8) = pow;
    #[allow(clippy::too_many_arguments)]
    fn v_fma(n: i64, a: *mut u8, sa: i64, b: *mut u8, sb: i64, c: *mut u8, sc: i64, y: *mut u8) = fma;
    #[allow(clippy::too_many_arguments)]
    fn v_quantize(
        n: i64, x: *mut u8, sx: i64, scale: *mut u8, ss: i64, zero: *mut u8, sz: i64, lo: f32, hi: f32, y: *mut u8,
    ) = quantize;
    fn v_act(n: i64, x: *mut u8, y: *mut u8, code: i64, p0: f32, p1: f32) = activate;
    fn v_clip(n: i64, x: *mut u8, lo: f32, hi: f32, y: *mut u8) = clip;
}
