//! The machine model that prices work. A versioned file of the project: the compiler never times anything.

/// Speeds of one core, for prices. Units: operations and bytes per nanosecond, nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Name, part of an artifact's identity.
    pub name: &'static str,
    /// Floating-point operations per nanosecond of a matrix product or convolution.
    pub matrix_flops: f64,
    /// Floating-point operations per nanosecond of everything else.
    pub vector_flops: f64,
    /// Bytes per nanosecond that a kernel reads and writes together.
    pub bytes: f64,
    /// Cost of starting one kernel, in nanoseconds.
    pub call: f64,
}

/// A core of x86-64-v3 at about 3 GHz, caches warm.
pub const X86_64_V3: Machine =
    Machine { name: "x86-64-v3", matrix_flops: 80.0, vector_flops: 16.0, bytes: 12.0, call: 250.0 };

impl Default for Machine {
    fn default() -> Machine {
        X86_64_V3
    }
}
