//! DECIMAL128: IEEE 754-2008 decimal floating point in the binary integer encoding.
//!
//! ```text
//! bit 127 sign | 126..113 exponent + 6176 | 112..0 coefficient       (bits 126, 125 not both set)
//! bits 126..122 = 11110 infinity, 11111 NaN; other encodings with 126 and 125 set are zeros
//! ```

use std::cmp::Ordering;
use std::fmt;

const MAX_COEFFICIENT: u128 = 10_u128.pow(34) - 1;
const MAX_EXPONENT: i64 = 6111;
const MIN_EXPONENT: i64 = -6176;
const COEFFICIENT_BITS: u32 = 113;

/// A decoded decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// `±coefficient × 10^exponent`; the coefficient has at most 34 digits.
    Finite {
        negative: bool,
        coefficient: u128,
        exponent: i32,
    },
    Infinity {
        negative: bool,
    },
    NaN,
}

impl Decimal {
    pub(crate) fn from_bytes(bytes: &[u8; 16]) -> Decimal {
        let bits = u128::from_le_bytes(*bytes);
        let negative = bits >> 127 == 1;
        let finite = |coefficient, biased: u128| Decimal::Finite {
            negative,
            coefficient: if coefficient > MAX_COEFFICIENT { 0 } else { coefficient },
            exponent: (biased & 0x3fff) as i32 + MIN_EXPONENT as i32,
        };
        match (bits >> 122) & 0x1f {
            0x1f => Decimal::NaN,
            0x1e => Decimal::Infinity { negative },
            0x18..=0x1d => finite(0, bits >> 111),
            _ => finite(bits & ((1 << COEFFICIENT_BITS) - 1), bits >> COEFFICIENT_BITS),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let sign = |negative| u128::from(negative) << 127;
        let bits = match self {
            Decimal::NaN => 0x1f << 122,
            Decimal::Infinity { negative } => sign(negative) | (0x1e << 122),
            Decimal::Finite { negative, coefficient, exponent } => {
                let biased = (i64::from(exponent) - MIN_EXPONENT) as u128;
                sign(negative) | (biased << COEFFICIENT_BITS) | coefficient
            }
        };
        bits.to_le_bytes()
    }

    pub(crate) fn from_i64(value: i64) -> Decimal {
        Decimal::Finite {
            negative: value < 0,
            coefficient: u128::from(value.unsigned_abs()),
            exponent: 0,
        }
    }

    /// The shortest decimal that reads back as `value`. Allocates.
    pub(crate) fn from_f64(value: f64) -> Decimal {
        // Seventeen digits and exponents to ±324 always fit; infinities and NaN have their words.
        Decimal::parse(&format!("{value:e}")).unwrap_or(Decimal::NaN)
    }

    /// The integer next to the value towards zero, if it fits.
    pub(crate) fn to_i64(self) -> Option<i64> {
        let Decimal::Finite { negative, coefficient, exponent } = self else { return None };
        let magnitude = match (coefficient, 10_u128.checked_pow(exponent.unsigned_abs())) {
            (0, _) => 0,
            (_, Some(scale)) if exponent >= 0 => coefficient.checked_mul(scale)?,
            (_, Some(scale)) => coefficient / scale,
            (_, None) if exponent >= 0 => return None,
            (_, None) => 0,
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    /// The nearest double. Allocates.
    pub(crate) fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Reads `text`, exactly: `None` if it is no number or needs more than 34 digits.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, magnitude) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        if magnitude.eq_ignore_ascii_case("nan") {
            return Some(Decimal::NaN);
        }
        if magnitude.eq_ignore_ascii_case("inf") || magnitude.eq_ignore_ascii_case("infinity") {
            return Some(Decimal::Infinity { negative });
        }
        let (digits, exponent) = match magnitude.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
            None => (magnitude, 0),
        };
        let (coefficient, shift) = parse_digits(digits)?;
        let (coefficient, exponent) = fit(coefficient, exponent.checked_add(shift)?)?;
        Some(Decimal::Finite { negative, coefficient, exponent })
    }

    /// Order by value: NaN equals itself and is above everything, zeros are equal.
    pub(crate) fn compare(self, other: Decimal) -> Ordering {
        match (self.rank(), other.rank()) {
            (left, right) if left != right => left.cmp(&right),
            (0, _) => Ordering::Equal,
            _ => match (self, other) {
                (
                    Decimal::Finite { negative, coefficient, exponent },
                    Decimal::Finite { coefficient: other, exponent: other_exponent, .. },
                ) => {
                    let order =
                        compare_magnitudes((coefficient, exponent), (other, other_exponent));
                    if negative { order.reverse() } else { order }
                }
                _ => Ordering::Equal,
            },
        }
    }

    /// −2 −∞ · −1 negative · 0 zero · 1 positive · 2 ∞ · 3 NaN
    fn rank(self) -> i8 {
        match self {
            Decimal::NaN => 3,
            Decimal::Infinity { negative: false } => 2,
            Decimal::Infinity { negative: true } => -2,
            Decimal::Finite { coefficient: 0, .. } => 0,
            Decimal::Finite { negative: true, .. } => -1,
            Decimal::Finite { negative: false, .. } => 1,
        }
    }
}

/// Compares two non-zero magnitudes given as (coefficient, exponent).
fn compare_magnitudes(left: (u128, i32), right: (u128, i32)) -> Ordering {
    let digits = |coefficient: u128| coefficient.checked_ilog10().unwrap_or(0) as i32;
    let scale = (digits(left.0) + left.1).cmp(&(digits(right.0) + right.1));
    // Same scale: the exponents differ by 33 at most, and the scaled coefficient has 34 digits at
    // most.
    scale.then_with(|| {
        let shift = left.1.abs_diff(right.1);
        if left.1 >= right.1 {
            left.0.saturating_mul(10_u128.saturating_pow(shift)).cmp(&right.0)
        } else {
            left.0.cmp(&right.0.saturating_mul(10_u128.saturating_pow(shift)))
        }
    })
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit 18 digits is out of range whatever the coefficient, unless that is zero.
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Reads `digits[.digits]` as (coefficient, exponent); trailing zeros beyond 34 digits are dropped.
fn parse_digits(text: &str) -> Option<(u128, i64)> {
    let (mut coefficient, mut exponent) = (0_u128, 0_i64);
    let (mut any, mut dropped, mut fraction) = (false, false, false);
    for byte in text.bytes() {
        if byte == b'.' && !fraction {
            fraction = true;
            continue;
        }
        if !byte.is_ascii_digit() {
            return None;
        }
        any = true;
        let digit = u128::from(byte - b'0');
        let next = coefficient * 10 + digit;
        if next <= MAX_COEFFICIENT && !dropped {
            coefficient = next;
            exponent -= i64::from(fraction);
        } else if digit == 0 {
            dropped = true;
            exponent += i64::from(!fraction);
        } else {
            return None;
        }
    }
    any.then_some((coefficient, exponent))
}

/// Brings the exponent into range without changing the value.
fn fit(mut coefficient: u128, mut exponent: i64) -> Option<(u128, i32)> {
    if coefficient == 0 {
        exponent = exponent.clamp(MIN_EXPONENT, MAX_EXPONENT);
    }
    while exponent > MAX_EXPONENT {
        coefficient = coefficient.checked_mul(10).filter(|&scaled| scaled <= MAX_COEFFICIENT)?;
        exponent -= 1;
    }
    while exponent < MIN_EXPONENT {
        if !coefficient.is_multiple_of(10) {
            return None;
        }
        coefficient /= 10;
        exponent += 1;
    }
    Some((coefficient, i32::try_from(exponent).ok()?))
}

/// The scientific string of the General Decimal Arithmetic specification: `1.50`, `1E+3`,
/// `-Infinity`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |negative| if negative { "-" } else { "" };
        let (negative, coefficient, exponent) = match *self {
            Decimal::NaN => return f.write_str("NaN"),
            Decimal::Infinity { negative } => return write!(f, "{}Infinity", sign(negative)),
            Decimal::Finite { negative, coefficient, exponent } => {
                (negative, coefficient, exponent)
            }
        };
        let digits = coefficient.to_string();
        f.write_str(sign(negative))?;
        let adjusted = exponent + digits.len() as i32 - 1;
        if exponent > 0 || adjusted < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{point}{rest}E{adjusted:+}");
        }
        let fraction = exponent.unsigned_abs() as usize;
        match digits.len().checked_sub(fraction) {
            _ if fraction == 0 => f.write_str(&digits),
            Some(whole @ 1..) => {
                let (whole, fraction) = digits.split_at(whole);
                write!(f, "{whole}.{fraction}")
            }
            _ => write!(f, "0.{digits:0>fraction$}"),
        }
    }
}
