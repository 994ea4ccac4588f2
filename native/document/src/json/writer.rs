//! BSON to relaxed extended JSON.

use super::{base64, date};
use crate::decimal::Decimal;
use crate::raw::{self, Damaged, Value};
use crate::validate::NOT_UTF8;
use crate::{Error, MAX_DEPTH};

/// Appends `doc` as relaxed extended JSON with `", "` and `": "` between its parts. A top-level
/// `_id` that is an ObjectId is a bare string of 24 hex digits. On an error `out` is as before.
///
/// # Errors
/// [`Error::Bson`] if the document is damaged, [`Error::TooDeep`].
pub fn bson_to_json(doc: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let before = out.len();
    let written = write_document(doc, 1, out);
    if written.is_err() {
        out.truncate(before);
    }
    written
}

fn write_document(doc: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep);
    }
    let mut elements = raw::elements(doc)?;
    let mut separator: &[u8] = b"{";
    while let Some(element) = elements.next()? {
        out.extend_from_slice(separator);
        separator = b", ";
        write_text(element.name, out)?;
        out.extend_from_slice(b": ");
        match element.value()? {
            Value::ObjectId(id) if depth == 1 && element.name == b"_id" => {
                write_hex_string(id, out)
            }
            value => write_value(value, depth, out)?,
        }
    }
    out.extend_from_slice(if separator == b"{" { b"{}" } else { b"}" });
    Ok(())
}

fn write_array(array: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep);
    }
    let mut elements = raw::elements(array)?;
    let mut separator: &[u8] = b"[";
    while let Some(element) = elements.next()? {
        out.extend_from_slice(separator);
        separator = b", ";
        write_value(element.value()?, depth, out)?;
    }
    out.extend_from_slice(if separator == b"[" { b"[]" } else { b"]" });
    Ok(())
}

fn write_value(value: Value<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        Value::Double(number) => write_double(number, out),
        Value::String(text) => write_text(text, out)?,
        Value::Document(doc) => write_document(doc, depth + 1, out)?,
        Value::Array(array) => write_array(array, depth + 1, out)?,
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Int32(number) => write_integer(i64::from(number), out),
        Value::Int64(number) => write_integer(number, out),
        _ => write_wrapped(value, depth, out)?,
    }
    Ok(())
}

/// Writes a value that has an object form.
fn write_wrapped(value: Value<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        Value::ObjectId(id) => {
            out.extend_from_slice(b"{\"$oid\": ");
            write_hex_string(id, out);
        }
        Value::DateTime(ms) => write_date(ms, out),
        Value::Timestamp(bits) => {
            let (seconds, ordinal) = (bits >> 32, bits & 0xffff_ffff);
            let text = format!("{{\"$timestamp\": {{\"t\": {seconds}, \"i\": {ordinal}}}");
            out.extend_from_slice(text.as_bytes());
        }
        Value::Decimal128(bytes) => {
            let text = format!("{{\"$numberDecimal\": \"{}\"", Decimal::from_bytes(bytes));
            out.extend_from_slice(text.as_bytes());
        }
        Value::Binary { subtype, bytes } => {
            out.extend_from_slice(b"{\"$binary\": {\"base64\": \"");
            base64::encode(bytes, out);
            out.extend_from_slice(format!("\", \"subType\": \"{subtype:02x}\"}}").as_bytes());
        }
        Value::Regex(bytes) => {
            let (pattern, options) = raw::regex_parts(bytes)?;
            out.extend_from_slice(b"{\"$regularExpression\": {\"pattern\": ");
            write_text(pattern, out)?;
            out.extend_from_slice(b", \"options\": ");
            write_text(options, out)?;
            out.push(b'}');
        }
        Value::DbPointer(bytes) => {
            let (namespace, id) = raw::db_pointer_parts(bytes)?;
            out.extend_from_slice(b"{\"$dbPointer\": {\"$ref\": ");
            write_text(namespace, out)?;
            out.extend_from_slice(b", \"$id\": {\"$oid\": ");
            write_hex_string(id, out);
            out.extend_from_slice(b"}}");
        }
        Value::Code(code) => {
            out.extend_from_slice(b"{\"$code\": ");
            write_text(code, out)?;
        }
        Value::CodeWithScope(bytes) => {
            let (code, scope) = raw::code_parts(bytes)?;
            out.extend_from_slice(b"{\"$code\": ");
            write_text(code, out)?;
            out.extend_from_slice(b", \"$scope\": ");
            write_document(scope, depth + 1, out)?;
        }
        Value::Symbol(text) => {
            out.extend_from_slice(b"{\"$symbol\": ");
            write_text(text, out)?;
        }
        Value::Undefined => out.extend_from_slice(b"{\"$undefined\": true"),
        Value::MinKey => out.extend_from_slice(b"{\"$minKey\": 1"),
        Value::MaxKey => out.extend_from_slice(b"{\"$maxKey\": 1"),
        _ => return Err(Damaged("value has no object form").into()),
    }
    out.push(b'}');
    Ok(())
}

/// Writes an instant up to, but without, the closing brace.
fn write_date(ms: i64, out: &mut Vec<u8>) {
    let text = match date::format(ms) {
        Some(text) => format!("{{\"$date\": \"{text}\""),
        None => format!("{{\"$date\": {{\"$numberLong\": \"{ms}\"}}"),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Writes the shortest text that reads back as `number`, always with a fraction or an exponent.
fn write_double(number: f64, out: &mut Vec<u8>) {
    if write_thousandths(number, out) {
        return;
    }
    let text = if number.is_nan() {
        "{\"$numberDouble\": \"NaN\"}".to_owned()
    } else if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        format!("{{\"$numberDouble\": \"{sign}Infinity\"}}")
    } else {
        format!("{number:?}")
    };
    out.extend_from_slice(text.as_bytes());
}

/// Writes a number of at most three decimals and fifteen digits; false for any other. No two
/// decimals of so few digits are the same double, so if one reads back as `number`, it is the
/// shortest.
fn write_thousandths(number: f64, out: &mut Vec<u8>) -> bool {
    let thousandths = (number * 1_000.0).round();
    // Division rounds correctly, as reading does. A negative zero keeps its sign elsewhere.
    if number == 0.0 || thousandths.abs() >= 1e15 || thousandths / 1_000.0 != number {
        return false;
    }
    // Lossless: an integer below 10^15.
    let magnitude = thousandths.abs() as u64;
    if number < 0.0 {
        out.push(b'-');
    }
    write_integer((magnitude / 1_000) as i64, out);
    let decimals = [magnitude / 100 % 10, magnitude / 10 % 10, magnitude % 10];
    let kept = decimals.iter().rposition(|&digit| digit != 0).map_or(1, |last| last + 1);
    out.push(b'.');
    out.extend(decimals.iter().take(kept).map(|&digit| b'0' + digit as u8));
    true
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    let mut magnitude = number.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        used += 1;
        if magnitude == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

fn write_hex_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    write_hex(bytes, out);
    out.push(b'"');
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
        }
    }
}

/// Writes a quoted string; `"`, `\` and control characters are escaped.
fn write_text(text: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    std::str::from_utf8(text).map_err(|_| NOT_UTF8)?;
    out.push(b'"');
    let mut plain = text;
    while let Some(at) = plain.iter().position(|&byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let Some((before, [special, after @ ..])) = plain.split_at_checked(at) else { break };
        out.extend_from_slice(before);
        match special {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *special]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                write_hex(&[*control], out);
            }
        }
        plain = after;
    }
    out.extend_from_slice(plain);
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(number: f64) -> String {
        let mut out = Vec::new();
        write_double(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn doubles_are_as_short_as_can_be(
            number in any::<f64>().prop_filter("finite", |number| number.is_finite()),
            integer in -2_000_000_000_000_000_i64..2_000_000_000_000_000,
            divisor in prop::sample::select(vec![1.0, 2.0, 4.0, 10.0, 100.0, 1e3, 1e4, 1e9]),
        ) {
            let near = integer as f64 / divisor;
            let small = (near / 1e6).round() + near.fract();
            for number in [number, near, near.next_up(), small, -0.0] {
                prop_assert_eq!(written(number), format!("{number:?}"));
            }
        }
    }
}
