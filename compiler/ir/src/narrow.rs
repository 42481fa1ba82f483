//! Storage types: floats of 8, 6 and 4 bits, integers of 4 and 2 bits.
//!
//! They are moved and cast; nothing computes with them. In memory each element is a byte of its own: a float's bits are
//! the low ones and the others are 0, an integer is extended to 8 bits with its sign. Whatever reads an element looks at
//! its low bits only. Files hold elements of less than 8 bits packed.

use crate::dtype::DType;

/// What the largest codes of a narrow float stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Numbers: the format has neither infinities nor NaN, and saturates always.
    Nothing,
    /// All ones is NaN; no infinity.
    Nan,
    /// As in IEEE 754: an exponent of all ones is infinity, or with a mantissa NaN.
    InfAndNan,
    /// Numbers: NaN is the code that would be -0, and there is no -0.
    Unsigned,
}

/// A float format with sign, exponent and mantissa, subnormal numbers included.
#[derive(Clone, Copy, Debug)]
pub struct Minifloat {
    /// Bits of the code.
    pub bits: u32,
    /// Bits of the mantissa.
    pub mantissa: u32,
    /// What is subtracted from the exponent.
    pub bias: i32,
    /// What the largest codes stand for.
    pub special: Special,
}

impl Minifloat {
    /// The format of an element type; `None` for types of another kind.
    pub fn of(dtype: DType) -> Option<Minifloat> {
        let (bits, mantissa, bias, special) = match dtype {
            DType::F8E4M3FN => (8, 3, 7, Special::Nan),
            DType::F8E4M3FNUZ => (8, 3, 8, Special::Unsigned),
            DType::F8E5M2 => (8, 2, 15, Special::InfAndNan),
            DType::F8E5M2FNUZ => (8, 2, 16, Special::Unsigned),
            DType::F6E2M3 => (6, 3, 1, Special::Nothing),
            DType::F6E3M2 => (6, 2, 3, Special::Nothing),
            DType::F4E2M1 => (4, 1, 1, Special::Nothing),
            _ => return None,
        };
        Some(Minifloat { bits, mantissa, bias, special })
    }

    /// The bit of the sign.
    pub fn sign(&self) -> u8 {
        1 << (self.bits - 1)
    }

    /// Code of the largest number.
    pub fn largest(&self) -> u8 {
        let ones = self.sign() - 1;
        match self.special {
            Special::Nothing | Special::Unsigned => ones,
            Special::Nan => ones - 1,
            Special::InfAndNan => self.infinity() - 1,
        }
    }

    fn infinity(&self) -> u8 {
        (self.sign() - 1) & !((1 << self.mantissa) - 1)
    }

    /// Code of NaN; 0 if there is none.
    pub fn nan(&self) -> u8 {
        match self.special {
            Special::Nothing => 0,
            Special::Nan => self.sign() - 1,
            // The quiet one.
            Special::InfAndNan => self.infinity() | (1 << (self.mantissa - 1)),
            Special::Unsigned => self.sign(),
        }
    }

    /// Code of what a magnitude beyond the largest number becomes, without its sign.
    pub fn beyond(&self, saturate: bool) -> u8 {
        match self.special {
            _ if saturate => self.largest(),
            Special::Nothing => self.largest(),
            Special::InfAndNan => self.infinity(),
            Special::Nan | Special::Unsigned => self.nan(),
        }
    }

    /// The number that a code stands for.
    pub fn value(&self, code: u8) -> f64 {
        let magnitude = code & (self.sign() - 1);
        let is_negative = code & self.sign() != 0;
        match self.special {
            Special::Unsigned if magnitude == 0 && is_negative => return f64::NAN,
            Special::Nan if magnitude == self.nan() => return f64::NAN,
            Special::InfAndNan if magnitude > self.infinity() => return f64::NAN,
            Special::InfAndNan if magnitude == self.infinity() => {
                return if is_negative { f64::NEG_INFINITY } else { f64::INFINITY };
            }
            _ => {}
        }
        let (exponent, rest) = (i32::from(magnitude >> self.mantissa), magnitude & ((1 << self.mantissa) - 1));
        // A subnormal number has the exponent 1 without the leading 1.
        let digits = if exponent == 0 { rest } else { rest | 1 << self.mantissa };
        let value = f64::from(digits) * power_of_two(exponent.max(1) - self.bias - self.mantissa as i32);
        if is_negative { -value } else { value }
    }

    /// The code of a number rounded to nearest even. NaN loses its sign.
    pub fn code(&self, value: f64, saturate: bool) -> u8 {
        if value.is_nan() {
            return self.nan();
        }
        let magnitude = value.abs();
        let least = 1 - self.bias;
        let exponent = exponent_of(magnitude).max(least);
        // One step of the format at this exponent is `2^(exponent - mantissa)`; rounding up may carry into the exponent.
        let steps = (magnitude * power_of_two(self.mantissa as i32 - exponent)).round_ties_even();
        let code = f64::from((exponent - least) << self.mantissa) + steps;
        let code = if code > f64::from(self.largest()) { self.beyond(saturate) } else { code as u8 };
        match self.special {
            Special::Unsigned if code == 0 || code == self.nan() => code,
            _ if value.is_sign_negative() => code | self.sign(),
            _ => code,
        }
    }
}

/// Exponent of a finite number, of subnormal ones and 0 the least; 1024 of an infinity.
fn exponent_of(magnitude: f64) -> i32 {
    (magnitude.to_bits() >> 52) as i32 - 1023
}

/// 2 to a power that f64 holds as a normal number.
fn power_of_two(power: i32) -> f64 {
    f64::from_bits(((power + 1023).clamp(1, 2046) as u64) << 52)
}

/// How a number between two of f8e8m0 is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// To the larger one.
    #[default]
    Up,
    /// To the smaller one.
    Down,
    /// To the nearer one, the larger one if both are as near.
    Nearest,
}

impl Rounding {
    /// The words of the `round` attribute.
    pub const WORDS: &'static [&'static str] = &["up", "down", "nearest"];

    /// The mode of that word.
    pub fn of(word: &str) -> Rounding {
        match word {
            "down" => Rounding::Down,
            "nearest" => Rounding::Nearest,
            _ => Rounding::Up,
        }
    }
}

/// NaN of f8e8m0, whose other codes are powers of two from 2^-127 to 2^127.
pub const E8M0_NAN: u8 = 255;

fn e8m0_code(value: f64, conversion: Conversion) -> u8 {
    // Below 0 there is nothing to round to.
    if value.is_nan() || value < 0.0 {
        return E8M0_NAN;
    }
    let mut exponent = exponent_of(value.abs());
    let rest = value.to_bits() & ((1 << 52) - 1);
    let up = match conversion.rounding {
        Rounding::Up => rest != 0,
        Rounding::Down => false,
        Rounding::Nearest => rest >= 1 << 51,
    };
    exponent += i32::from(up && value.is_finite());
    match exponent {
        -127..=127 => (exponent + 127) as u8,
        _ if !conversion.saturate => E8M0_NAN,
        128.. => E8M0_NAN - 1,
        _ => 0,
    }
}

/// How a cast to a storage type treats what it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Numbers beyond the largest one become that one, not infinity or NaN; in f8e8m0 those below the least one too.
    pub saturate: bool,
    /// How f8e8m0 is rounded.
    pub rounding: Rounding,
}

impl Default for Conversion {
    fn default() -> Conversion {
        Conversion { saturate: true, rounding: Rounding::Up }
    }
}

/// The element of a storage type that `value` becomes. Integers are truncated to an i32, of which the low bits stay.
pub fn encode(dtype: DType, value: f64, conversion: Conversion) -> u8 {
    match Minifloat::of(dtype) {
        Some(format) => format.code(value, conversion.saturate),
        None if dtype == DType::F8E8M0 => e8m0_code(value, conversion),
        None => low_bits(dtype, value as i32 as u8),
    }
}

/// The number that an element of a narrow float stands for; `None` for other types.
pub fn decode(dtype: DType, element: u8) -> Option<f64> {
    if dtype == DType::F8E8M0 {
        return Some(if element == E8M0_NAN { f64::NAN } else { power_of_two(i32::from(element) - 127) });
    }
    Minifloat::of(dtype).map(|format| format.value(low_bits(dtype, element)))
}

/// An element of a storage type as it is kept in a byte: the low bits of `element`, with its sign if it is an integer.
pub fn low_bits(dtype: DType, element: u8) -> u8 {
    let unused = 8 - dtype.bits().min(8);
    let high = element << unused;
    if matches!(dtype, DType::I4 | DType::I2) { ((high as i8) >> unused) as u8 } else { high >> unused }
}
