//! What is a document and what is not.

use bson::doc;

use crate::{Error, MAX_DEPTH, MAX_DOCUMENT_BYTES, validate};

/// A document that holds `element`.
fn document(element: &[u8]) -> Vec<u8> {
    let mut bytes = (element.len() as u32 + 5).to_le_bytes().to_vec();
    bytes.extend_from_slice(element);
    bytes.push(0);
    bytes
}

#[test]
fn accepts_every_type() {
    for element in [
        &b"\x01a\0\0\0\0\0\0\0\0\0"[..],
        b"\x02a\0\x02\0\0\0x\0",
        b"\x02a\0\x03\0\0\0x\0\0",
        b"\x03a\0\x05\0\0\0\0",
        b"\x04a\0\x0b\0\0\0\x0a0\0\x0a1\0\0",
        b"\x05a\0\x01\0\0\0\x80x",
        b"\x05a\0\x05\0\0\0\x02\x01\0\0\0x",
        b"\x06a\0",
        b"\x07a\0abcdefghijkl",
        b"\x08a\0\x01",
        b"\x09a\0\0\0\0\0\0\0\0\0",
        b"\x0aa\0",
        b"\x0ba\0x\0i\0",
        b"\x0ca\0\x02\0\0\0x\0abcdefghijkl",
        b"\x0da\0\x02\0\0\0x\0",
        b"\x0ea\0\x02\0\0\0x\0",
        b"\x0fa\0\x0f\0\0\0\x02\0\0\0x\0\x05\0\0\0\0",
        b"\x10\0\0\0\0\0",
        b"\x11a\0\0\0\0\0\0\0\0\0",
        b"\x12a\0\0\0\0\0\0\0\0\0",
        b"\x13a\0abcdefghijklmnop",
        b"\xffa\0",
        b"\x7fa\0",
    ] {
        let doc = document(element);
        assert_eq!(validate(&doc), Ok(()), "{element:?}");
        assert!(validate(&doc[..doc.len() - 1]).is_err(), "{element:?} cut");
    }
}

#[test]
fn refuses_damage() {
    for element in [
        &b"\x00a\0"[..],
        b"\x14a\0",
        b"\x10a\0\0\0\0",
        b"\x10a",
        b"\x10a\0\0\0\0\0\0",
        b"\x02a\0\0\0\0\0",
        b"\x02a\0\xff\xff\xff\xff",
        b"\x02a\0\x02\0\0\0xy",
        b"\x02a\0\x02\0\0\0\xff\0",
        b"\x02a\0\x00\x00\x00\x7fx\0",
        b"\x03a\0\x04\0\0\0",
        b"\x03a\0\x05\0\0\0\x01",
        b"\x04a\0\x08\0\0\0\x0aa\0\0",
        b"\x04a\0\x08\0\0\0\x0a1\0\0",
        b"\x04a\0\x09\0\0\0\x0a00\0\0",
        b"\x05a\0\x05\0\0\0\x02\x02\0\0\0x",
        b"\x05a\0\x02\0\0\0\x02xx",
        b"\x08a\0\x02",
        b"\x0a\xff\0",
        b"\x0ba\0x\0i",
        b"\x0ba\0\xff\0i\0",
        b"\x0ca\0\x02\0\0\0xx123456789012",
        b"\x0fa\0\x0e\0\0\0\x02\0\0\0x\0\x05\0\0\0",
        b"\x0fa\0\x0f\0\0\0\x20\0\0\0x\0\x05\0\0\0\0",
    ] {
        assert!(matches!(validate(&document(element)), Err(Error::Bson(_))), "{element:?}");
    }
    for doc in [&b""[..], b"\x05", b"\x05\0\0\0", b"\x04\0\0\0", b"\x05\0\0\0\x01", b"\x06\0\0\0\0"]
    {
        assert!(matches!(validate(doc), Err(Error::Bson(_))), "{doc:?}");
    }
}

#[test]
fn bounds_depth_and_size() {
    let mut nested = doc! {};
    for _ in 1..MAX_DEPTH {
        nested = doc! { "a": nested };
    }
    assert_eq!(validate(&nested.to_vec().unwrap()), Ok(()));
    assert_eq!(validate(&doc! { "a": nested }.to_vec().unwrap()), Err(Error::TooDeep));
    assert_eq!(validate(&vec![0; MAX_DOCUMENT_BYTES + 1]), Err(Error::TooLarge));
}
