//! Random decisions that can be replayed and changed a little: what made a rule fire makes it fire again.

/// A small deterministic generator of numbers (splitmix64).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of 0..bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A number of 0.0..1.0.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A stream of decisions: first those given, then random ones. What was decided can be had again.
pub(crate) struct Choices {
    made: Vec<u32>,
    at: usize,
    rng: Rng,
}

impl Choices {
    /// Random decisions.
    pub(crate) fn fresh(seed: u64) -> Choices {
        Choices { made: Vec::new(), at: 0, rng: Rng::new(seed) }
    }

    /// The decisions `made` with about one in ten changed.
    pub(crate) fn mutated(made: &[u32], seed: u64) -> Choices {
        let mut rng = Rng::new(seed);
        let made = made.iter().map(|&old| if rng.below(10) == 0 { rng.next() as u32 } else { old }).collect();
        Choices { made, at: 0, rng }
    }

    /// A number of 0..bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push(self.rng.next() as u32);
        }
        self.at += 1;
        self.made[self.at - 1] as usize % bound.max(1)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// What was decided.
    pub(crate) fn finish(mut self) -> Vec<u32> {
        self.made.truncate(self.at);
        self.made
    }
}
