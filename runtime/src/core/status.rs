//! Error codes, and the cell in which the first error of a run is kept.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicI64, Ordering};

/// What can go wrong at run time. The numbers are part of the C ABI and never change their meaning.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No error.
    Ok = 0,
    /// A null pointer, an index of no input or output, a count that does not fit.
    InvalidArgument = 1,
    /// Dimensions that contradict the model, its symbols or each other.
    ShapeMismatch = 2,
    /// An element type other than the model's.
    DtypeMismatch = 3,
    /// An index read from data (gather, scatter, token id) outside of its dimension.
    IndexOutOfRange = 4,
    /// An integer division or remainder by zero, or a division of the least integer by -1.
    DivisionByZero = 5,
    /// A size known only at run time exceeds the bound given at compile time.
    SizeOverBound = 6,
    /// The CPU or the operating system lacks the instructions the model was compiled for.
    CpuTooOld = 7,
    /// The model was compiled against another table of micro-kernels.
    AbiMismatch = 8,
    /// Memory could not be allocated, or the caller's arena is too small.
    OutOfMemory = 9,
    /// The model reached a branch that the compiler refused to type.
    Trap = 10,
    /// The model's description is damaged or of another version.
    InvalidModel = 11,
    /// Shapes, weights, an input or an output were not given before running.
    NotBound = 12,
    /// A loop of the model went on beyond the most turns it may take.
    LoopLimit = 13,
}

impl Code {
    /// The code with number `value`; an unknown number is a trap.
    pub const fn from_i32(value: i32) -> Code {
        match value {
            0 => Code::Ok,
            1 => Code::InvalidArgument,
            2 => Code::ShapeMismatch,
            3 => Code::DtypeMismatch,
            4 => Code::IndexOutOfRange,
            5 => Code::DivisionByZero,
            6 => Code::SizeOverBound,
            7 => Code::CpuTooOld,
            8 => Code::AbiMismatch,
            9 => Code::OutOfMemory,
            11 => Code::InvalidModel,
            12 => Code::NotBound,
            13 => Code::LoopLimit,
            _ => Code::Trap,
        }
    }

    /// A short text for messages, lower case, no full stop.
    pub const fn c_text(self) -> &'static CStr {
        match self {
            Code::Ok => c"ok",
            Code::InvalidArgument => c"invalid argument",
            Code::ShapeMismatch => c"shape mismatch",
            Code::DtypeMismatch => c"element type mismatch",
            Code::IndexOutOfRange => c"index out of range",
            Code::DivisionByZero => c"integer division by zero or beyond the type",
            Code::SizeOverBound => c"size over its compile-time bound",
            Code::CpuTooOld => c"cpu lacks required instructions",
            Code::AbiMismatch => c"model and runtime do not fit (abi)",
            Code::OutOfMemory => c"out of memory",
            Code::Trap => c"reached a branch that could not be compiled",
            Code::InvalidModel => c"invalid model description",
            Code::NotBound => c"shapes, weights, input or output not set",
            Code::LoopLimit => c"loop does not end",
        }
    }

    /// [`Code::c_text`] as a string.
    pub const fn text(self) -> &'static str {
        match self.c_text().to_str() {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// The first error of a run. Workers write it at most once; generated code may also write it in place:
/// compare-exchange `code` from 0, and only the winner stores `node` and `value`.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Status {
    /// A [`Code`]; 0 while nothing went wrong.
    pub code: AtomicI32,
    /// Id of the node that failed (see the description's node table), or -1.
    pub node: AtomicI32,
    /// The offending value: an index, a size, a divisor.
    pub value: AtomicI64,
}

impl Status {
    /// A cell without error.
    pub const fn new() -> Status {
        Status { code: AtomicI32::new(0), node: AtomicI32::new(-1), value: AtomicI64::new(0) }
    }

    /// Records an error unless there is one already.
    pub fn set(&self, code: i32, node: i32, value: i64) {
        if self.code.compare_exchange(0, code, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.node.store(node, Ordering::Relaxed);
            self.value.store(value, Ordering::Release);
        }
    }

    /// Whether an error was recorded.
    pub fn failed(&self) -> bool {
        self.code.load(Ordering::Relaxed) != 0
    }

    /// Back to no error. Only while nothing runs.
    pub fn clear(&self) {
        self.node.store(-1, Ordering::Relaxed);
        self.value.store(0, Ordering::Relaxed);
        self.code.store(0, Ordering::Release);
    }
}
