//! Element-wise kernels over rows.

use super::simd::Simd;

/// One operand, one result, element by element.
pub(crate) trait Unary {
    fn apply<V: Simd>(x: V) -> V;
}

/// # Safety
/// `n` floats are readable at `x` and writable at `y`, which is `x` or does not overlap it.
#[inline(always)]
unsafe fn unary<V: Simd, O: Unary>(n: i64, x: *mut u8, y: *mut u8) {
    let (n, x, y) = (n.max(0) as usize, x.cast::<f32>(), y.cast::<f32>());
    let mut i = 0;
    while i + V::LANES <= n {
        // SAFETY: i + LANES <= n.
        unsafe { O::apply(V::load(x.add(i))).store(y.add(i)) };
        i += V::LANES;
    }
    if i < n {
        // SAFETY: n - i elements from i on are within the row.
        unsafe { O::apply(V::load_part(x.add(i), n - i, V::splat(1.0))).store_part(y.add(i), n - i) };
    }
}

macro_rules! unary_ops {
    ($($(#[$doc:meta])* $name:ident($x:ident) = $body:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;
        impl Unary for $name {
            #[inline(always)]
            fn apply<V: Simd>($x: V) -> V {
                $body
            }
        }
    )*};
}

unary_ops! {
    Sqrt(x) = x.sqrt();
    Neg(x) = x.neg();
    Abs(x) = x.abs();
    Relu(x) = x.max_nan(x.c(0.0));
}

tiers! {
    fn v_sqrt(n: i64, x: *mut u8, y: *mut u8) = unary::<Sqrt>;
    fn v_neg(n: i64, x: *mut u8, y: *mut u8) = unary::<Neg>;
    fn v_abs(n: i64, x: *mut u8, y: *mut u8) = unary::<Abs>;
    fn v_relu(n: i64, x: *mut u8, y: *mut u8) = unary::<Relu>;
}
