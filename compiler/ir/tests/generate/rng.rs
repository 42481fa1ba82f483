//! Random numbers, shapes and tensors.

use lathe_ir::{DType, Tensor};

/// A small deterministic generator of numbers (splitmix64).
pub(crate) struct Rng {
    state: u64,
    /// Whether sizes may be larger than 4.
    large: bool,
}

impl Rng {
    /// The same seed gives the same numbers.
    pub(crate) fn new(seed: u64) -> Rng {
        Rng { state: seed, large: false }
    }

    /// From now on, some sizes are beyond the width of vectors and tiles.
    #[allow(dead_code, reason = "not every test wants them")]
    pub(crate) fn grow(&mut self) {
        self.large = true;
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of 0..bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number of low..=high.
    pub(crate) fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// Heads or tails.
    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 0
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// An element type; now and then a storage type, which most ops refuse.
    pub(crate) fn dtype(&mut self) -> DType {
        let storage = self.below(6) == 0;
        let all: Vec<DType> = DType::all().filter(|dtype| dtype.is_storage() == storage).collect();
        self.pick(&all)
    }

    /// A shape of that many axes, of sizes 1 to 4 and now and then 0.
    pub(crate) fn shape(&mut self, least: usize, most: usize) -> Vec<usize> {
        let rank = self.within(least, most);
        let mut room = 2048;
        (0..rank)
            .map(|_| {
                let size = if self.below(12) == 0 { 0 } else { self.size(1, 4) };
                let size = if size > room { self.within(1, 4) } else { size };
                room /= size.max(1);
                size
            })
            .collect()
    }

    /// A size of low..=high, or now and then one beyond.
    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        if self.large && self.below(3) == 0 {
            return self.pick(&[5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 65, 100]);
        }
        self.within(low, high)
    }

    /// A tensor of small values other than 0, floats also infinite and NaN.
    pub(crate) fn tensor(&mut self, dtype: DType, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        if dtype.holds_floats() {
            let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
            let mut value =
                || if self.below(20) == 0 { self.pick(&special) } else { self.below(17) as f64 / 4.0 - 2.0 };
            let values: Vec<f64> = (0..count).map(|_| value()).collect();
            return Tensor::from_f64(dtype, shape, &values);
        }
        let mut value = || if dtype == DType::Bool { self.below(2) as i64 } else { 1 + self.below(9) as i64 };
        let values: Vec<i64> = (0..count).map(|_| value()).collect();
        Tensor::from_i64(dtype, shape, &values)
    }

    /// A shape that broadcasts to `shape`.
    pub(super) fn narrowed(&mut self, shape: &[usize]) -> Vec<usize> {
        let drop = if self.flag() { 0 } else { self.within(0, shape.len()) };
        shape[drop..].iter().map(|&size| if self.below(3) == 0 { 1 } else { size }).collect()
    }

    /// Integers of -size..size, i32 or i64.
    pub(super) fn indices(&mut self, shape: &[usize], size_of: impl Fn(usize) -> usize) -> Tensor {
        let count: usize = shape.iter().product();
        let value = |at: usize| self.below(2 * size_of(at)) as i64 - size_of(at) as i64;
        let values: Vec<i64> = (0..count).map(value).collect();
        let dtype = if self.flag() { DType::I64 } else { DType::I32 };
        Tensor::from_i64(dtype, shape, &values)
    }
}
