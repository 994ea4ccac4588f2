//! JSON and BSON into each other, and against crate `bson`.

use proptest::prelude::*;

use super::strategy::document;
use super::{bson_of, for_all, json_of};

#[test]
fn a_document_survives_json_and_back() {
    for_all(500, document(), |doc| {
        let bytes = doc.to_vec().unwrap();
        prop_assert_eq!(crate::validate(&bytes), Ok(()));
        let text = json_of(&bytes);
        prop_assert_eq!(&json_of(&bson_of(&text)), &text);
        // Relaxed output drops only the width of integers, so widen before comparing bytes.
        let again = bson::Document::from_reader(bson_of(&text).as_slice()).unwrap();
        prop_assert_eq!(widened(again.into()), widened(doc.into()), "{}", text);
        Ok(())
    });
}

#[test]
fn canonical_text_reads_as_the_bytes_of_the_other_implementation() {
    for_all(500, document(), |doc| {
        let text = canonical(&bson::Bson::Document(doc.clone()));
        let bytes = bson_of(&text);
        prop_assert_eq!(json_of(&bytes), json_of(&doc.to_vec().unwrap()), "{}", text);
        let again = bson::Document::from_reader(bytes.as_slice()).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{doc:?}"), "{}", text);
        Ok(())
    });
}

#[test]
fn arbitrary_text_is_read_or_refused() {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "'",
        "a",
        "$oid",
        "\"$date\"",
        "$regex",
        "$options",
        "1",
        "-",
        ".5",
        "e9",
        "true",
        "null",
        "new Date(",
        "ObjectId(",
        ")",
        "/",
        "\\",
        "\\u00e9",
        " ",
        "é",
        "\0",
        "$code",
        "$scope",
        "$binary",
        "base64",
        "\"\"",
    ]);
    for_all(1500, prop::collection::vec(token, 0..24), |tokens| {
        let text = format!("{{{}", tokens.concat());
        if let Ok(doc) = crate::json_to_bson(text.as_bytes()) {
            prop_assert_eq!(crate::validate(&doc), Ok(()), "{}", text);
        }
        Ok(())
    });
}

/// `value` with INT32 as INT64, as debug text: NaN differs from itself.
fn widened(value: bson::Bson) -> String {
    fn widen(value: bson::Bson) -> bson::Bson {
        match value {
            bson::Bson::Int32(number) => bson::Bson::Int64(number.into()),
            bson::Bson::Array(array) => array.into_iter().map(widen).collect::<Vec<_>>().into(),
            bson::Bson::Document(doc) => bson::Bson::Document(
                doc.into_iter().map(|(name, value)| (name, widen(value))).collect(),
            ),
            bson::Bson::JavaScriptCodeWithScope(mut code) => {
                code.scope =
                    code.scope.into_iter().map(|(name, value)| (name, widen(value))).collect();
                bson::Bson::JavaScriptCodeWithScope(code)
            }
            other => other,
        }
    }
    format!("{:?}", widen(value))
}

/// Canonical extended JSON, by crate `bson`'s own accessors.
fn canonical(value: &bson::Bson) -> String {
    use bson::Bson;
    match value {
        Bson::Int32(number) => format!("{{\"$numberInt\": \"{number}\"}}"),
        Bson::Int64(number) => format!("{{\"$numberLong\": \"{number}\"}}"),
        Bson::Double(number) if number.is_infinite() => {
            let sign = if *number < 0.0 { "-" } else { "" };
            format!("{{\"$numberDouble\": \"{sign}Infinity\"}}")
        }
        Bson::Double(number) => format!("{{\"$numberDouble\": \"{number:e}\"}}"),
        Bson::Decimal128(number) => format!("{{\"$numberDecimal\": \"{number}\"}}"),
        Bson::DateTime(date) => {
            format!("{{\"$date\": {{\"$numberLong\": \"{}\"}}}}", date.timestamp_millis())
        }
        Bson::String(text) => quoted(text),
        Bson::Array(array) => {
            let elements: Vec<_> = array.iter().map(canonical).collect();
            format!("[{}]", elements.join(","))
        }
        Bson::Document(doc) => {
            let field =
                |(name, value): (&String, &Bson)| format!("{}:{}", quoted(name), canonical(value));
            let fields: Vec<_> = doc.iter().map(field).collect();
            format!("{{{}}}", fields.join(","))
        }
        Bson::ObjectId(id) => format!("{{\"$oid\": \"{}\"}}", id.to_hex()),
        // The forms of the other types are not ambiguous in relaxed output.
        other => {
            let bytes = bson::doc! { "a": other.clone() }.to_vec().unwrap();
            json_of(&bytes)[6..].strip_suffix('}').unwrap().to_owned()
        }
    }
}

/// A JSON string in ASCII, everything else escaped.
fn quoted(text: &str) -> String {
    let escape = |unit: u16| format!("\\u{unit:04X}");
    let plain = |unit: &u16| (0x23..0x7f).contains(unit) && *unit != 0x5c;
    let letters = text.encode_utf16().map(|unit| match plain(&unit) {
        true => char::from(unit as u8).to_string(),
        false => escape(unit),
    });
    format!("\"{}\"", letters.collect::<String>())
}
