//! Base64 with the standard alphabet: written with padding, read with or without.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text of `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, &byte| (group << 8) | u32::from(byte));
        let group = group << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let sextet = (group >> (18 - 6 * position)) & 0x3f;
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'=');
            out.push(if position <= chunk.len() { letter } else { b'=' });
        }
    }
}

/// Appends the bytes of `text`; `None` if it is no Base64.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = match text {
        [rest @ .., b'=', b'='] if text.len().is_multiple_of(4) => rest,
        [rest @ .., b'='] if text.len().is_multiple_of(4) => rest,
        _ => text,
    };
    for chunk in text.chunks(4) {
        let mut group = 0_u32;
        for &letter in chunk {
            group = (group << 6) | sextet(letter)?;
        }
        let [_, bytes @ ..] = (group << (6 * (4 - chunk.len()))).to_be_bytes();
        // Two letters carry one byte, three two, four three; the bits left over must be zero.
        let (kept, spare) =
            bytes.split_at_checked(chunk.len().checked_sub(1).filter(|&n| n > 0)?)?;
        if spare.iter().any(|&byte| byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(())
}

fn sextet(letter: u8) -> Option<u32> {
    Some(u32::from(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_and_decodes_every_length() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("fooba", "Zm9vYmE=")]
        {
            let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
            encode(bytes.as_bytes(), &mut encoded);
            assert_eq!(encoded, text.as_bytes());
            assert_eq!(decode(text.trim_end_matches('=').as_bytes(), &mut decoded), Some(()));
            assert_eq!(decoded, bytes.as_bytes());
        }
    }

    #[test]
    fn refuses_what_is_no_base64() {
        for text in ["Z", "Zm9vY", "Z===", "Zg=", "Zh==", "Zm-v", "Zm9v\n"] {
            assert_eq!(decode(text.as_bytes(), &mut Vec::new()), None, "{text}");
        }
    }
}
