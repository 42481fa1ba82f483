//! Which instruction set the CPU and the operating system offer.

/// A level of the CPU, each one including those before. The numbers are written into model descriptions.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Any CPU.
    Scalar = 0,
    /// x86-64-v3: AVX2, FMA, F16C, BMI.
    Avx2 = 1,
    /// x86-64-v4: AVX-512 F, BW, CD, DQ, VL.
    Avx512 = 2,
}

impl Tier {
    /// All tiers, lowest first.
    pub const ALL: [Tier; 3] = [Tier::Scalar, Tier::Avx2, Tier::Avx512];

    /// The tier's name: `scalar`, `avx2` or `avx512`.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Scalar => "scalar",
            Tier::Avx2 => "avx2",
            Tier::Avx512 => "avx512",
        }
    }

    /// The tier with that name.
    pub fn from_name(name: &str) -> Option<Tier> {
        Tier::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// The highest tier this machine can run. With `std`, `LATHE_TIER=scalar|avx2|avx512` lowers it (never raises it).
    pub fn detect() -> Tier {
        let found = detect_cpu();
        #[cfg(feature = "std")]
        if let Some(wanted) = std::env::var("LATHE_TIER").ok().and_then(|name| Tier::from_name(&name)) {
            return found.min(wanted);
        }
        found
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect_cpu() -> Tier {
    Tier::Scalar
}

#[cfg(target_arch = "x86_64")]
fn detect_cpu() -> Tier {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    let has = |word: u32, bits: &[u32]| bits.iter().all(|&bit| word >> bit & 1 == 1);
    let (max_leaf, max_extended) = (__cpuid(0).eax, __cpuid(0x8000_0000).eax);
    if max_leaf < 7 || max_extended < 0x8000_0001 {
        return Tier::Scalar;
    }
    let (basic, features, extended) = (__cpuid(1).ecx, __cpuid_count(7, 0).ebx, __cpuid(0x8000_0001).ecx);
    // fma, movbe, xsave enabled by the system, avx, f16c; bmi1, avx2, bmi2; lzcnt
    if !has(basic, &[12, 22, 27, 28, 29]) || !has(features, &[3, 5, 8]) || !has(extended, &[5]) {
        return Tier::Scalar;
    }
    // SAFETY: the OSXSAVE bit (27) was seen above, so `xgetbv` exists and the system has enabled it.
    let enabled = unsafe { enabled_state() };
    // xmm and ymm state are saved on a context switch
    if enabled & 0x06 != 0x06 {
        return Tier::Scalar;
    }
    // avx512 f, dq, cd, bw, vl; mask and zmm state are saved
    if has(features, &[16, 17, 28, 30, 31]) && enabled & 0xe0 == 0xe0 { Tier::Avx512 } else { Tier::Avx2 }
}

/// The register state that the operating system saves (XCR0).
///
/// # Safety
/// The CPU must report OSXSAVE.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "xsave")]
unsafe fn enabled_state() -> u64 {
    // SAFETY: the caller has seen OSXSAVE.
    unsafe { core::arch::x86_64::_xgetbv(0) }
}
