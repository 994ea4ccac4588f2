//! One segment: a file of raw entry bytes, back to back from offset 0, without any framing.
//! Where entries begin and end is known only from the metadata that points at them.

use crate::file::PreallocatedFile;

/// Digits in the name of a segment file.
const NAME_DIGITS: usize = 19;

/// A segment that is open for reading and, while it is the active one, for writing.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u32,
    pub(crate) file: PreallocatedFile,
}

/// The file name of a segment: its id in decimal, zero-padded to 19 digits.
pub(crate) fn file_name(id: u32) -> String {
    format!("{id:0NAME_DIGITS$}")
}

/// The id that a file name stands for; `None` for a name that no segment has.
pub(crate) fn parse_file_name(name: &str) -> Option<u32> {
    let well_formed = name.len() == NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_nineteen_digits() {
        assert_eq!(file_name(42), "0000000000000000042");
        assert_eq!(parse_file_name("0000000000000000042"), Some(42));
        assert_eq!(parse_file_name(&file_name(u32::MAX)), Some(u32::MAX));
    }

    #[test]
    fn other_names_are_no_segments() {
        for name in ["", "42", "000000000000000004a", "+000000000000000042", "9999999999999999999"]
        {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}
