//! DECIMAL128 against the independent implementation of crate `bson`.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::for_all;
use crate::decimal::Decimal;
use crate::number::Number;

#[test]
fn parses_and_prints_exactly() {
    for (text, printed) in [
        ("0", "0"),
        ("-0.00", "-0.00"),
        ("1.50", "1.50"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+12e3", "1.2E+4"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1E-7"),
        ("1234567890123456789012345678901234", "1234567890123456789012345678901234"),
        ("12345678901234567890123456789012340", "1.234567890123456789012345678901234E+34"),
        ("9.999999999999999999999999999999999E+6144", "9.999999999999999999999999999999999E+6144"),
        ("1E+6144", "1.000000000000000000000000000000000E+6144"),
        ("10E-6177", "1E-6176"),
        ("0E+999999999999999999999", "0E+6111"),
        ("inf", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("nan", "NaN"),
    ] {
        let decimal = Decimal::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(decimal.to_string(), printed, "{text}");
        assert_eq!(Decimal::from_bytes(&decimal.to_bytes()), decimal, "{text}");
    }
    for text in [
        "",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "1.2.3",
        "0x1",
        "1 ",
        "--1",
        "12345678901234567890123456789012345",
        "1E+6145",
        "1E-6177",
        "1E+99999999999999999999",
    ] {
        assert_eq!(Decimal::parse(text), None, "{text}");
    }
}

#[test]
fn any_bits_print_and_parse_as_the_other_implementation_does() {
    for_all(1000, any::<[u8; 16]>(), |bytes| {
        let decimal = Decimal::from_bytes(&bytes);
        let other = bson::Decimal128::from_bytes(bytes).to_string();
        if decimal != Decimal::NaN {
            prop_assert_eq!(decimal.to_string(), other);
        }
        prop_assert_eq!(Decimal::parse(&decimal.to_string()), Some(decimal));
        Ok(())
    });
    for_all(1000, "-?[0-9]{1,36}(\\.[0-9]{0,5})?(E[+-]?[0-9]{1,4})?", |text| {
        let (ours, other) = (Decimal::parse(&text), text.parse::<bson::Decimal128>());
        match (ours, other) {
            (Some(ours), Ok(other)) => prop_assert_eq!(ours.to_bytes(), other.bytes(), "{}", text),
            (None, Err(_)) => {}
            (ours, other) => prop_assert!(false, "{text}: {ours:?} {other:?}"),
        }
        Ok(())
    });
}

#[test]
fn numbers_order_by_value_across_types() {
    let decimal = |text| Number::Decimal(Decimal::parse(text).unwrap());
    let ascending = [
        vec![Number::Double(f64::NEG_INFINITY), decimal("-Infinity")],
        vec![decimal("-1E+6000")],
        vec![Number::Double(-1e300), decimal("-1E+300")],
        vec![Number::Integer(i64::MIN), decimal("-9223372036854775808")],
        vec![decimal("-1.5"), Number::Double(-1.5), decimal("-1.50")],
        vec![Number::Integer(-1), Number::Double(-1.0), decimal("-1.0")],
        vec![Number::Integer(0), Number::Double(-0.0), Number::Double(0.0), decimal("-0E+5")],
        vec![Number::Double(5e-324), decimal("5E-324")],
        vec![Number::Double(0.1), decimal("0.1")],
        vec![Number::Integer(1), Number::Double(1.0), decimal("1.000")],
        vec![Number::Integer(9_007_199_254_740_993), decimal("9007199254740993")],
        vec![Number::Integer(i64::MAX), decimal("9223372036854775807")],
        vec![Number::Double(1e300)],
        vec![decimal("9.9E+6144")],
        vec![Number::Double(f64::INFINITY), decimal("Infinity")],
        vec![Number::Double(f64::NAN), decimal("NaN")],
    ];
    for (low, lower) in ascending.iter().enumerate() {
        for (high, higher) in ascending.iter().enumerate() {
            for (left, right) in lower.iter().flat_map(|l| higher.iter().map(move |r| (*l, *r))) {
                assert_eq!(left.compare(right), low.cmp(&high), "{left:?} {right:?}");
            }
        }
    }
    // A double counts as its shortest text, so this one is 1152921504606847000.
    let double = Number::Double(1_152_921_504_606_846_976.0);
    assert_eq!(Number::Integer(1_152_921_504_606_846_976).compare(double), Ordering::Less);
    assert_eq!(Number::Integer(1_152_921_504_606_847_000).compare(double), Ordering::Equal);
}
