//! Atomic operations: what each does with an existing value and its operand.

use crate::error::{Error, Result, code};
use crate::keys::VALUE_LIMIT;

/// FoundationDB's mutation types with their numbers in its C API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MutationType {
    /// Little-endian addition, as wide as the operand.
    Add = 2,
    /// Bitwise and; an absent value becomes the operand.
    BitAnd = 6,
    /// Bitwise or.
    BitOr = 7,
    /// Bitwise exclusive or.
    BitXor = 8,
    /// Appends the operand while the result fits into a value.
    AppendIfFits = 9,
    /// Little-endian unsigned maximum, as wide as the operand.
    Max = 12,
    /// Little-endian unsigned minimum, as wide as the operand; an absent value becomes the operand.
    Min = 13,
    /// The commit's versionstamp is placed into the key.
    SetVersionstampedKey = 14,
    /// The commit's versionstamp is placed into the value.
    SetVersionstampedValue = 15,
    /// Lexicographic minimum; an absent value becomes the operand.
    ByteMin = 16,
    /// Lexicographic maximum; an absent value becomes the operand.
    ByteMax = 17,
    /// Clears the key when its value equals the operand.
    CompareAndClear = 20,
}

impl MutationType {
    /// The mutation type with FoundationDB's number. The API versions that the store serves
    /// (510 and up) map the old numbers of `And` and `Min` to the new behaviour; so does this.
    ///
    /// # Errors
    /// 2018 for a number that names no atomic operation.
    pub fn from_code(number: i32) -> Result<Self> {
        Ok(match number {
            2 => Self::Add,
            6 => Self::BitAnd,
            7 => Self::BitOr,
            8 => Self::BitXor,
            9 => Self::AppendIfFits,
            12 => Self::Max,
            13 => Self::Min,
            14 => Self::SetVersionstampedKey,
            15 => Self::SetVersionstampedValue,
            16 => Self::ByteMin,
            17 => Self::ByteMax,
            20 => Self::CompareAndClear,
            _ => return Err(Error::new(code::INVALID_MUTATION_TYPE)),
        })
    }
}

/// The value after the operation; `None` when the key is then absent. The versionstamp operations
/// are plain writes of their operand here: placing the stamp is the commit's business.
pub(crate) fn apply(
    operation: MutationType,
    existing: Option<&[u8]>,
    operand: &[u8],
) -> Option<Box<[u8]>> {
    let or_empty = existing.unwrap_or_default();
    let result: Vec<u8> = match operation {
        MutationType::Add => add(or_empty, operand),
        MutationType::BitAnd => match existing {
            None => operand.to_vec(),
            Some(existing) => zip(existing, operand, |a, b| a & b),
        },
        MutationType::BitOr => zip(or_empty, operand, |a, b| a | b),
        MutationType::BitXor => zip(or_empty, operand, |a, b| a ^ b),
        MutationType::AppendIfFits if or_empty.len() + operand.len() <= VALUE_LIMIT => {
            [or_empty, operand].concat()
        }
        MutationType::AppendIfFits => or_empty.to_vec(),
        MutationType::Max => widest(or_empty, operand, std::cmp::Ordering::Greater),
        MutationType::Min => match existing {
            None => operand.to_vec(),
            Some(existing) => widest(existing, operand, std::cmp::Ordering::Less),
        },
        MutationType::ByteMin => existing.map_or(operand, |e| e.min(operand)).to_vec(),
        MutationType::ByteMax => existing.map_or(operand, |e| e.max(operand)).to_vec(),
        MutationType::CompareAndClear if existing == Some(operand) => return None,
        MutationType::CompareAndClear => return existing.map(Box::from),
        MutationType::SetVersionstampedKey | MutationType::SetVersionstampedValue => {
            operand.to_vec()
        }
    };
    Some(result.into_boxed_slice())
}

/// Applies `f` byte by byte over the operand's width; a shorter existing value is padded with 0.
fn zip(existing: &[u8], operand: &[u8], f: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let padded = existing.iter().copied().chain(std::iter::repeat(0));
    padded.zip(operand).map(|(a, b)| f(a, *b)).collect()
}

fn add(existing: &[u8], operand: &[u8]) -> Vec<u8> {
    let mut carry = false;
    let padded = existing.iter().copied().chain(std::iter::repeat(0));
    let sum = padded.zip(operand).map(|(a, b)| {
        let (sum, over) = a.overflowing_add(*b);
        let (sum, over_carry) = sum.overflowing_add(u8::from(carry));
        carry = over || over_carry;
        sum
    });
    sum.collect()
}

/// The little-endian number that compares as `wanted` against the other, as wide as the operand.
fn widest(existing: &[u8], operand: &[u8], wanted: std::cmp::Ordering) -> Vec<u8> {
    let fitted = zip(existing, operand, |a, _| a);
    if fitted.iter().rev().cmp(operand.iter().rev()) == wanted { fitted } else { operand.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operation: MutationType, existing: Option<&[u8]>, operand: &[u8]) -> Option<Vec<u8>> {
        apply(operation, existing, operand).map(Vec::from)
    }

    #[test]
    fn adds_little_endian_with_the_operands_width() {
        assert_eq!(run(MutationType::Add, None, &[5, 0]), Some(vec![5, 0]));
        assert_eq!(run(MutationType::Add, Some(&[255, 0]), &[1, 0]), Some(vec![0, 1]));
        assert_eq!(run(MutationType::Add, Some(&[255]), &[1, 0]), Some(vec![0, 1]));
        assert_eq!(run(MutationType::Add, Some(&[1, 2, 3]), &[1]), Some(vec![2]));
        assert_eq!(run(MutationType::Add, Some(&[255, 255]), &[255, 255]), Some(vec![254, 255]));
        assert_eq!(run(MutationType::Add, Some(&[1]), &[]), Some(vec![]));
    }

    #[test]
    fn bit_operations_pad_and_cut_to_the_operand() {
        assert_eq!(run(MutationType::BitAnd, None, &[7]), Some(vec![7]));
        assert_eq!(run(MutationType::BitAnd, Some(&[6]), &[3, 1]), Some(vec![2, 0]));
        assert_eq!(run(MutationType::BitOr, Some(&[4, 4]), &[1]), Some(vec![5]));
        assert_eq!(run(MutationType::BitXor, Some(&[5]), &[1, 1]), Some(vec![4, 1]));
    }

    #[test]
    fn minimum_and_maximum_compare_as_numbers_or_as_bytes() {
        assert_eq!(run(MutationType::Max, None, &[1, 0]), Some(vec![1, 0]));
        assert_eq!(run(MutationType::Max, Some(&[0, 1]), &[255, 0]), Some(vec![0, 1]));
        assert_eq!(run(MutationType::Min, None, &[9]), Some(vec![9]));
        assert_eq!(run(MutationType::Min, Some(&[0, 1]), &[255, 0]), Some(vec![255, 0]));
        assert_eq!(run(MutationType::ByteMax, Some(b"ab"), b"b"), Some(b"b".to_vec()));
        assert_eq!(run(MutationType::ByteMin, Some(b"ab"), b"b"), Some(b"ab".to_vec()));
        assert_eq!(run(MutationType::ByteMin, None, b"b"), Some(b"b".to_vec()));
    }

    #[test]
    fn append_stops_at_the_value_limit_and_compare_and_clear_clears() {
        assert_eq!(run(MutationType::AppendIfFits, Some(b"a"), b"b"), Some(b"ab".to_vec()));
        let full = vec![1; VALUE_LIMIT];
        assert_eq!(run(MutationType::AppendIfFits, Some(&full), b"b"), Some(full));
        assert_eq!(run(MutationType::CompareAndClear, Some(b"a"), b"a"), None);
        assert_eq!(run(MutationType::CompareAndClear, Some(b"a"), b"b"), Some(b"a".to_vec()));
        assert_eq!(run(MutationType::CompareAndClear, None, b"b"), None);
    }
}
