//! Which edges of the program a run took. The compiler counts them, if it is told to (tests/fuzz.sh does): a byte for each
//! edge, in tables that every instrumented crate announces before `main`.

use std::sync::Mutex;

/// The tables announced: address and number of counters.
static TABLES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by code that the compiler put into every instrumented crate.
// SAFETY: no other symbol of the program has this name; it is the one that the instrumentation calls.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let (start, stop) = (start as usize, stop as usize);
    if let Ok(mut tables) = TABLES.lock()
        && start < stop
        && !tables.iter().any(|table| table.0 == start)
    {
        tables.push((start, stop - start));
    }
}

/// What all runs so far have seen.
pub(crate) struct Coverage {
    /// The counters of the tables, one after the other: a bit for each class of counts that was seen.
    seen: Vec<u8>,
}

/// The class of a count, as a bit: 1, 2, 3, 4.., 8.., 16.., 32.., 128..
fn class(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        _ => 128,
    }
}

/// Every table as bytes.
fn tables() -> Vec<&'static mut [u8]> {
    let tables = TABLES.lock().map(|tables| tables.clone()).unwrap_or_default();
    tables
        .into_iter()
        .map(|(start, length)| {
            // SAFETY: the table is a static of an instrumented crate, announced by the crate with its bounds. Its bytes
            // are counted up by this process without synchronisation, by design; here only between runs, on the one
            // thread that runs, and the slices do not outlive the call that asked for them.
            unsafe { std::slice::from_raw_parts_mut(start as *mut u8, length) }
        })
        .collect()
}

impl Coverage {
    /// Nothing seen.
    pub(crate) fn new() -> Coverage {
        Coverage { seen: vec![0; tables().iter().map(|table| table.len()).sum()] }
    }

    /// Number of edges there are; 0 if the program was built without counters.
    pub(crate) fn edges(&self) -> usize {
        self.seen.len()
    }

    /// Number of edges that were seen.
    pub(crate) fn edges_seen(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }

    /// Forgets what was counted since the last run.
    pub(crate) fn begin(&self) {
        for table in tables() {
            table.fill(0);
        }
    }

    /// Takes the counts of a run: how many classes of counts were new.
    pub(crate) fn end(&mut self) -> usize {
        let mut new = 0;
        let mut at = 0;
        for table in tables() {
            let length = table.len();
            for (counts, seen) in table.chunks(64).zip(self.seen[at..at + length].chunks_mut(64)) {
                if counts.iter().all(|count| *count == 0) {
                    continue;
                }
                for (count, seen) in counts.iter().zip(seen) {
                    let bit = class(*count);
                    new += usize::from(bit & !*seen != 0);
                    *seen |= bit;
                }
            }
            at += length;
        }
        new
    }
}
