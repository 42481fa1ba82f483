//! Packing of buffers with known lives and sizes into one block: where each begins.
//!
//! Few buffers are placed largest first, each at the lowest gap, which comes within a few percent of the best. That looks
//! at every pair, so many buffers are placed in the order of time instead, each in the smallest gap that holds it.

use std::collections::{BTreeMap, BTreeSet};

/// Most buffers that are compared pair by pair.
const PAIRWISE: usize = 2048;

/// What is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Size, at least 0.
    pub(super) bytes: i64,
    /// First and last step that uses it.
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Item {
    /// True if some step lies in both lives.
    pub(super) fn overlaps(&self, other: &Item) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A start for each item, such that items whose lives overlap do not.
pub(super) fn pack(items: &[Item]) -> Vec<i64> {
    if items.len() <= PAIRWISE { largest_first(items) } else { in_time(items) }
}

fn largest_first(items: &[Item]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(items[at].bytes), items[at].first, at));
    let mut starts = vec![0; items.len()];
    for (done, &at) in order.iter().enumerate() {
        let overlapping = order[..done].iter().filter(|&&other| items[other].overlaps(&items[at]));
        let mut others: Vec<(i64, i64)> =
            overlapping.map(|&other| (starts[other], starts[other] + items[other].bytes)).collect();
        others.sort_unstable();
        let mut start = 0;
        for (other_start, other_end) in others {
            if other_start - start >= items[at].bytes {
                break;
            }
            start = start.max(other_end);
        }
        starts[at] = start;
    }
    starts
}

/// Gaps of a block that grows at its end.
#[derive(Default)]
struct Gaps {
    /// Start to size, no two adjacent, none at the end.
    by_start: BTreeMap<i64, i64>,
    by_size: BTreeSet<(i64, i64)>,
    end: i64,
}

impl Gaps {
    fn insert(&mut self, start: i64, bytes: i64) {
        self.by_start.insert(start, bytes);
        self.by_size.insert((bytes, start));
    }

    fn remove(&mut self, start: i64, bytes: i64) {
        self.by_start.remove(&start);
        self.by_size.remove(&(bytes, start));
    }

    fn take(&mut self, bytes: i64) -> i64 {
        if let Some(&(size, start)) = self.by_size.range((bytes, 0)..).next() {
            self.remove(start, size);
            if size > bytes {
                self.insert(start + bytes, size - bytes);
            }
            return start;
        }
        // What is free at the end grows as far as is needed.
        let start = self.end;
        self.end += bytes;
        start
    }

    fn give(&mut self, mut start: i64, mut bytes: i64) {
        if let Some((&before, &size)) = self.by_start.range(..start).next_back()
            && before + size == start
        {
            self.remove(before, size);
            (start, bytes) = (before, size + bytes);
        }
        if let Some(&size) = self.by_start.get(&(start + bytes)) {
            self.remove(start + bytes, size);
            bytes += size;
        }
        if start + bytes == self.end {
            self.end = start;
        } else {
            self.insert(start, bytes);
        }
    }
}

fn in_time(items: &[Item]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| (items[at].first, std::cmp::Reverse(items[at].bytes), at));
    let mut starts = vec![0; items.len()];
    let mut gaps = Gaps::default();
    let mut alive: BTreeSet<(usize, usize)> = BTreeSet::new();
    for at in order {
        while let Some(&(last, dead)) = alive.first()
            && last < items[at].first
        {
            alive.pop_first();
            gaps.give(starts[dead], items[dead].bytes);
        }
        if items[at].bytes > 0 {
            starts[at] = gaps.take(items[at].bytes);
            alive.insert((items[at].last, at));
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: &[Item], starts: &[i64]) -> i64 {
        for (i, a) in items.iter().enumerate() {
            for (j, b) in items.iter().enumerate().skip(i + 1) {
                let apart = starts[i] + a.bytes <= starts[j] || starts[j] + b.bytes <= starts[i];
                assert!(apart || !a.overlaps(b), "{a:?} at {} and {b:?} at {}", starts[i], starts[j]);
            }
        }
        items.iter().zip(starts).map(|(item, start)| start + item.bytes).max().unwrap_or(0)
    }

    #[test]
    fn lives_that_overlap_lie_apart() {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..60 {
            let items: Vec<Item> = (0..round * 3)
                .map(|_| {
                    let first = next(40) as usize;
                    Item { bytes: 64 * next(9) as i64, first, last: first + next(12) as usize }
                })
                .collect();
            let alive =
                |at: usize| items.iter().filter(|i| i.first <= at && at <= i.last).map(|i| i.bytes).sum::<i64>();
            let least = (0..60).map(alive).max().unwrap_or(0);
            let (by_size, by_time) = (check(&items, &largest_first(&items)), check(&items, &in_time(&items)));
            assert!(by_size >= least && by_time >= least);
            assert!(by_size <= least * 3 / 2 && by_time <= least * 2, "{by_size} and {by_time}, at least {least}");
        }
    }

    #[test]
    fn a_long_chain_needs_two_buffers() {
        let items: Vec<Item> = (0..200_000).map(|at| Item { bytes: 64, first: at, last: at + 1 }).collect();
        assert!(pack(&items).iter().all(|&start| start == 0 || start == 64));
    }
}
