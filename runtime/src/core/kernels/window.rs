//! The window of a convolution or pooling, along one dimension.

/// One dimension of the sliding window.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// Inputs.
    pub(crate) size: usize,
    /// Taps.
    pub(crate) taps: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    /// Padding before the first input.
    pub(crate) pad: isize,
}

impl Window {
    /// From a kernel's arguments.
    #[inline(always)]
    pub(crate) fn new(size: i64, taps: i64, stride: i64, dilation: i64, pad: i64) -> Window {
        Window {
            size: size.max(0) as usize,
            taps: taps.max(0) as usize,
            stride: stride.max(1) as usize,
            dilation: dilation.max(1) as usize,
            pad: pad as isize,
        }
    }

    /// The input under tap 0 of output `at`; negative on padding.
    #[inline(always)]
    pub(crate) fn first(&self, at: usize) -> isize {
        (at * self.stride) as isize - self.pad
    }

    /// How many taps begin within `size` inputs.
    #[inline(always)]
    fn taps_in(&self, size: usize) -> usize {
        // a division takes as long as a small tile
        if self.dilation == 1 { size } else { size.div_ceil(self.dilation) }
    }

    /// The taps of output `at` that are not on padding: begin and end, begin = end if there are none.
    #[inline(always)]
    pub(crate) fn valid(&self, at: usize) -> (usize, usize) {
        let first = self.first(at);
        let before = if first < 0 { self.taps_in(first.unsigned_abs()) } else { 0 };
        let room = self.size as isize - first;
        let end = if room > 0 { self.taps_in(room as usize).min(self.taps) } else { 0 };
        if before < end { (before, end) } else { (0, 0) }
    }

    /// The outputs among `begin..end` that have all taps; an empty range within if there are none.
    #[inline(always)]
    pub(crate) fn inside(&self, begin: usize, end: usize) -> (usize, usize) {
        let (mut first, mut last) = (begin, end);
        while first < last && self.valid(first) != (0, self.taps) {
            first += 1;
        }
        while last > first && self.valid(last - 1) != (0, self.taps) {
            last -= 1;
        }
        (first, last)
    }

    /// The number of taps of output `at` on the image or on padding, `after` elements of which follow the image.
    #[inline(always)]
    pub(crate) fn padded(&self, at: usize, after: usize) -> usize {
        let room = (self.size + after) as isize - self.first(at);
        if room > 0 { self.taps_in(room as usize).min(self.taps) } else { 0 }
    }
}
