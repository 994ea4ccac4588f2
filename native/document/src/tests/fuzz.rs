//! Damaged bytes at every entry point: a result or an error, never a panic.

use proptest::prelude::*;

use super::model::filter;
use super::strategy::document;
use super::{bson_of, for_all};
use crate::{
    Field, FieldKind, Filter, Index, Keys, Projection, Update, bson_to_json, json_to_bson,
    prepare_insert, sort, validate,
};

/// One change to a byte string. The position is taken modulo its length.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    Set(usize, u8),
    Flip(usize, u8),
    Cut(usize),
    Remove(usize),
    Insert(usize, u8),
    Length(usize, u32),
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let position = any::<usize>();
    prop_oneof![
        (position, any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (position, 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        position.prop_map(Damage::Cut),
        position.prop_map(Damage::Remove),
        (position, any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        (position, prop_oneof![0..40_u32, Just(u32::MAX), Just(i32::MAX as u32), any::<u32>()])
            .prop_map(|(at, length)| Damage::Length(at, length)),
    ]
}

pub(super) fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match *damage {
        Damage::Set(at, byte) => bytes[at % length] = byte,
        Damage::Flip(at, bits) => bytes[at % length] ^= bits,
        Damage::Cut(at) => bytes.truncate(at % length),
        Damage::Remove(at) => drop(bytes.remove(at % length)),
        Damage::Insert(at, byte) => bytes.insert(at % length, byte),
        Damage::Length(at, value) => {
            for (slot, byte) in bytes.iter_mut().skip(at % length).zip(value.to_le_bytes()) {
                *slot = byte;
            }
        }
    }
}

/// Makes the outer length fit again, so that the damage inside is reached.
pub(super) fn repair_length(bytes: &mut [u8]) {
    let length = bytes.len() as u32;
    if let Some(slot) = bytes.first_chunk_mut::<4>() {
        *slot = length.to_le_bytes();
    }
}

#[test]
fn damaged_documents_give_errors() {
    let damages = prop::collection::vec(damage(), 1..4);
    for_all(
        6000,
        (document(), filter(), damages, any::<bool>()),
        |(doc, filter, damages, repair)| {
            let filter = Filter::parse(&filter.program().to_vec().unwrap()).unwrap();
            let mut bytes = doc.to_vec().unwrap();
            damages.iter().for_each(|damage| apply(&mut bytes, damage));
            if repair {
                repair_length(&mut bytes);
            }
            let valid = validate(&bytes).is_ok();
            let mut out = Vec::new();
            let printed = bson_to_json(&bytes, &mut out);
            let matched = filter.matches(&bytes);
            let prepared = prepare_insert(&bytes, &[1; 12]);
            let index = Index::single("i", Field::new("a", FieldKind::Int32, false), None, false);
            let indexed = index.keys(&bytes, &mut Keys::new());
            let sorted = sort(&[&bytes, &bytes], "a", true, None);
            if valid {
                prop_assert_eq!((indexed, sorted), (Ok(()), Ok(vec![0, 1])));
                prop_assert_eq!(printed, Ok(()));
                prop_assert!(matched.is_ok());
                prop_assert!(!matches!(prepared, Err(crate::Error::Bson(_))));
            }
            prop_assert!(out.len() <= 64 * bytes.len() + 64);
            Ok(())
        },
    );
}

#[test]
fn damaged_programs_give_errors() {
    for_all(
        4000,
        (filter(), prop::collection::vec(damage(), 1..3), document()),
        |(filter, damages, doc)| {
            let mut program = filter.program().to_vec().unwrap();
            damages.iter().for_each(|damage| apply(&mut program, damage));
            repair_length(&mut program);
            if let Ok(filter) = Filter::parse(&program) {
                prop_assert!(filter.matches(&doc.to_vec().unwrap()).is_ok());
            }
            Ok(())
        },
    );
}

#[test]
fn arbitrary_bytes_give_errors() {
    let filter = Filter::parse(&bson_of("{n:'cmp',p:'a.0.b',o:'eq',v:1}")).unwrap();
    for_all(1500, prop::collection::vec(any::<u8>(), 0..64), |mut bytes| {
        for _ in 0..2 {
            let results = (
                validate(&bytes).is_ok(),
                bson_to_json(&bytes, &mut Vec::new()).is_ok(),
                prepare_insert(&bytes, &[0; 12]).is_ok(),
                filter.matches(&bytes).is_ok(),
                Filter::parse(&bytes).is_ok(),
                json_to_bson(&bytes).is_ok(),
            );
            prop_assert!(!results.0 || results.1, "{results:?}");
            repair_length(&mut bytes);
        }
        Ok(())
    });
}

#[test]
fn bytes_nested_beyond_the_limit_do_not_exhaust_the_stack() {
    // Documents in documents, as deep as 16 MiB allow for a few levels of damage.
    let levels = 100_000;
    let mut bytes = vec![5, 0, 0, 0, 0];
    let mut nested = Vec::with_capacity(levels * 8);
    for level in 0..levels {
        nested.extend_from_slice(&((levels - level) as u32 * 8 + 5).to_le_bytes());
        nested.extend_from_slice(b"\x03a\0");
    }
    nested.extend_from_slice(&bytes);
    nested.resize(nested.len() + levels, 0);
    bytes = nested;
    repair_length(&mut bytes);
    assert_eq!(validate(&bytes), Err(crate::Error::TooDeep));
    assert_eq!(bson_to_json(&bytes, &mut Vec::new()), Err(crate::Error::TooDeep));
    assert!(Filter::parse(&bytes).is_err());
    let all = Filter::parse(&bson_of("{n:'true'}")).unwrap();
    assert_eq!(Projection::compile(&bytes, None).unwrap_err(), crate::Error::TooDeep);
    assert_eq!(Update::compile(&bytes, &all).unwrap_err(), crate::Error::TooDeep);
    assert_eq!(sort(&[&bytes, &bytes], "a", false, None), Err(crate::Error::TooDeep));
    let path = vec!["a"; 1000].join(".");
    let filter = Filter::parse(&bson_of(&format!("{{n:'exists',p:'{path}',v:true}}"))).unwrap();
    assert_eq!(filter.matches(&bytes), Ok(true));
}
