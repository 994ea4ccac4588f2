//! Damaged bytes for projections and updates: a sound result or an error, never a panic, and no
//! more memory than the inputs justify.

use bson::Document;
use proptest::prelude::*;

use super::for_all;
use super::fuzz::{Damage, apply, damage, repair_length};
use super::model::filter;
use super::model_projection::{entries, specification};
use super::model_update::{changes, item, merged, nested, update_of};
use super::strategy::document;
use crate::{Filter, Projection, Update, validate};

const STEPS: &[&str] = &["a", "b", "0", "$[]", "$[x]", "$"];

fn parsed(program: &Document) -> Filter {
    Filter::parse(&program.to_vec().unwrap()).unwrap()
}

fn damaged(doc: &Document, damages: &[Damage], repair: bool) -> Vec<u8> {
    let mut bytes = doc.to_vec().unwrap();
    damages.iter().for_each(|damage| apply(&mut bytes, damage));
    if repair {
        repair_length(&mut bytes);
    }
    bytes
}

#[test]
fn damaged_documents_are_projected_or_refused() {
    let damages = prop::collection::vec(damage(), 1..4);
    let input = (document(), entries(), filter(), damages, any::<bool>());
    for_all(3000, input, |(doc, entries, filter, damages, includes)| {
        let spec = specification(&entries, true, None).to_vec().unwrap();
        let filter = parsed(&filter.program());
        let projection = Projection::compile(&spec, Some(&filter)).unwrap();
        let bytes = damaged(&doc, &damages, includes);
        let mut out = Vec::new();
        let result = projection.apply(&bytes, &mut out);
        if validate(&bytes).is_ok() {
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(validate(&out), Ok(()));
        }
        prop_assert!(out.len() <= bytes.len() + 8 * entries.len(), "{}", out.len());
        Ok(())
    });
}

#[test]
fn damaged_documents_are_updated_or_refused() {
    let damages = prop::collection::vec(damage(), 1..4);
    let documents = prop_oneof![document(), nested()];
    let input = (documents, changes(&STEPS[..5]), item(), damages, any::<bool>());
    for_all(3000, input, |(doc, changes, x, damages, repair)| {
        let update = update_of(&merged(changes), &x, &x, false).to_vec().unwrap();
        let all = parsed(&bson::doc! { "n": "true" });
        let compiled = Update::compile(&update, &all).unwrap();
        let bytes = damaged(&doc, &damages, repair);
        let mut out = Vec::new();
        let result = compiled.apply(&bytes, &mut out);
        if validate(&bytes).is_ok() {
            prop_assert_eq!(result, Ok(out != bytes));
            prop_assert_eq!(validate(&out), Ok(()));
        }
        Ok(())
    });
}

#[test]
fn damaged_specifications_are_compiled_or_refused() {
    let damages = prop::collection::vec(damage(), 1..4);
    let input = (entries(), changes(STEPS), item(), filter(), damages, nested());
    for_all(4000, input, |(entries, changes, x, query, damages, doc)| {
        let filter = parsed(&query.program());
        let doc = doc.to_vec().unwrap();
        let spec = damaged(&specification(&entries, true, Some(true)), &damages, true);
        if let Ok(projection) = Projection::compile(&spec, Some(&filter)) {
            let mut out = Vec::new();
            prop_assert_eq!(projection.apply(&doc, &mut out), Ok(()));
            prop_assert_eq!(validate(&out), Ok(()));
        }
        let update = damaged(&update_of(&merged(changes), &x, &x, false), &damages, true);
        if let Ok(compiled) = Update::compile(&update, &filter) {
            let mut out = Vec::new();
            match compiled.apply(&doc, &mut out) {
                Ok(_) => prop_assert_eq!(validate(&out), Ok(())),
                Err(error) => prop_assert!(matches!(error, crate::Error::Update(_)), "{error}"),
            }
            let inserted = compiled.upsert_document(&filter);
            prop_assert_eq!(inserted.and_then(|doc| validate(&doc)), Ok(()));
        }
        Ok(())
    });
}

#[test]
fn arbitrary_bytes_are_refused_or_harmless() {
    let all = parsed(&bson::doc! { "n": "true" });
    let update = bson::doc! { "$set": { "a.b": 1, "a.$[]": 2 }, "$unset": ["b.0"] };
    let update = Update::compile(&update.to_vec().unwrap(), &all).unwrap();
    let spec = bson::doc! { "a.b": 1, "c": { "$slice": -1 } };
    let projection = Projection::compile(&spec.to_vec().unwrap(), None).unwrap();
    for_all(1500, prop::collection::vec(any::<u8>(), 0..64), |mut bytes| {
        for _ in 0..2 {
            let valid = validate(&bytes).is_ok();
            let results = (
                update.apply(&bytes, &mut Vec::new()).is_ok(),
                projection.apply(&bytes, &mut Vec::new()).is_ok(),
                Update::compile(&bytes, &all).is_ok(),
                Projection::compile(&bytes, None).is_ok(),
            );
            prop_assert!(!valid || (results.0 && results.1), "{results:?}");
            prop_assert!(valid || !(results.2 || results.3), "{results:?}");
            repair_length(&mut bytes);
        }
        Ok(())
    });
}
