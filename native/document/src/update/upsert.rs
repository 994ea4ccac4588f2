//! The document that an upsert inserts.

use super::apply::Scope;
use super::path::Step;
use super::{Change, Update};
use crate::output::Output;
use crate::raw::Element;
use crate::validate::{utf8, validate};
use crate::{Error, Filter, MAX_DEPTH};

const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

pub(super) fn document(update: &Update, filter: &Filter) -> Result<Vec<u8>, Error> {
    let mut changes = Vec::new();
    for (path, value) in filter.equalities()? {
        changes.push(equality(path, &value, changes.len())?);
    }
    let count = changes.len();
    let is_set = |change: &&Change| change.value.is_some() && change.positional == 0;
    changes.extend(
        update
            .changes
            .iter()
            .filter(is_set)
            .map(|change| Change { order: count + change.order, ..change.clone() }),
    );
    changes.sort_by(|left, right| {
        left.name_at(0).cmp(&right.name_at(0)).then(left.order.cmp(&right.order))
    });
    let changes: Vec<&Change> = changes.iter().collect();
    let mut doc = Vec::new();
    let scope = Scope { filters: &[], matched: &[], is_insert: true };
    scope.document(&EMPTY, &changes, 0, &mut Output::new(&mut doc))?;
    validate(&doc)?;
    Ok(doc)
}

/// What sets the value that the filter compares with.
fn equality(path: &[u8], value: &Element<'_>, order: usize) -> Result<Change, Error> {
    let path = utf8(path)?;
    if path.contains('\0') {
        return Err(Error::Bson("field name holds a zero"));
    }
    if path.split('.').nth(MAX_DEPTH).is_some() {
        return Err(Error::TooDeep);
    }
    let steps = path.split('.').map(Step::name).collect();
    Ok(Change::new(steps, Some((value.kind, value.bytes.to_vec())), order))
}
