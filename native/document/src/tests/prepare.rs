//! The `_id` of documents to store.

use super::{bson_of, json_of};
use crate::{Error, MAX_DOCUMENT_BYTES, prepare_insert};

const GENERATED: [u8; 12] = [0xab; 12];

fn prepared(json: &str) -> Result<String, Error> {
    let (doc, id) = prepare_insert(&bson_of(json), &GENERATED)?;
    crate::validate(&doc)?;
    assert_eq!(&doc[4..21], [b"\x07_id\0", id.as_slice()].concat());
    Ok(json_of(&doc))
}

#[test]
fn id_comes_first() {
    let first = r#"{"_id": "000000000000000000000001", "a": 1, "b": "x"}"#;
    assert_eq!(prepared(first).as_deref(), Ok(first));
    assert_eq!(
        prepared(r#"{"a": 1, "_id": "000000000000000000000001", "b": "x"}"#).as_deref(),
        Ok(first)
    );
}

#[test]
fn a_missing_id_is_generated() {
    let id = "ab".repeat(12);
    assert_eq!(prepared("{}").unwrap(), format!("{{\"_id\": \"{id}\"}}"));
    assert_eq!(prepared("{_ID: 1}").unwrap(), format!("{{\"_id\": \"{id}\", \"_ID\": 1}}"));
}

#[test]
fn another_type_of_id_is_refused() {
    for id in ["null", "5", "\"abc\"", "{}", "[]", "undefined"] {
        let error = prepared(&format!("{{\"a\": 1, \"_id\": {id}}}")).unwrap_err();
        assert_eq!(error.to_string(), "_id field must be of type ObjectId");
    }
}

#[test]
fn of_several_ids_the_last_counts() {
    let mut elements = b"\x10_id\0\x05\0\0\0\x10a\0\x01\0\0\0\x07_id\0".to_vec();
    elements.extend_from_slice(&[7; 12]);
    let mut doc = (elements.len() as u32 + 5).to_le_bytes().to_vec();
    doc.extend_from_slice(&elements);
    doc.push(0);
    let (prepared, id) = prepare_insert(&doc, &GENERATED).unwrap();
    assert_eq!(id, [7; 12]);
    assert_eq!(json_of(&prepared), format!("{{\"_id\": \"{}\", \"a\": 1}}", "07".repeat(12)));
}

#[test]
fn a_document_that_outgrows_the_limit_is_refused() {
    let doc = |bytes: usize| bson_of(&format!("{{a: '{}'}}", "x".repeat(bytes - 13)));
    assert!(prepare_insert(&doc(MAX_DOCUMENT_BYTES - 17), &GENERATED).is_ok());
    assert_eq!(prepare_insert(&doc(MAX_DOCUMENT_BYTES - 16), &GENERATED), Err(Error::TooLarge));
}
