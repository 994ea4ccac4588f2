//! Projections: the parts of a document that a reply carries.

mod apply;
mod compile;
mod slice;

use std::collections::HashMap;

use crate::filter::Conditions;
use crate::output::Output;
use crate::{Error, Filter};
use slice::Slice;

/// A compiled projection.
#[derive(Debug)]
pub struct Projection {
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    /// The specification was empty: documents stay whole.
    Whole,
    /// The listed fields, in the order of the specification.
    Include { fields: Level, with_id: bool },
    /// All but the listed fields, in the order of the document.
    Exclude(Level),
}

impl Projection {
    /// Compiles a specification: a BSON document of paths, each with 1, 0, `{$slice: n}` or
    /// `{$slice: [skip, limit]}`; `array.$` with 1 stands for the first element of the array that
    /// satisfies the conditions of `filter` on it. An empty specification changes nothing.
    ///
    /// `filter` is the program as the client wrote it, not one that a planner has rewritten.
    ///
    /// # Errors
    /// [`Error::Projection`] for what the language forbids; [`Error::Bson`], [`Error::TooDeep`] and
    /// [`Error::TooLarge`] if `spec` is no proper document or a path has more segments than
    /// [`crate::MAX_DEPTH`].
    pub fn compile(spec: &[u8], filter: Option<&Filter>) -> Result<Projection, Error> {
        Ok(Projection { mode: compile::compile(spec, filter)? })
    }

    /// Appends the projected `doc` to `out`. On an error `out` is as before.
    ///
    /// # Errors
    /// [`Error::Bson`] if damage is met, [`Error::TooLarge`] if `doc` is too large itself.
    pub fn apply(&self, doc: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        let result = match &self.mode {
            Mode::Whole => Output::new(out).bytes(doc),
            Mode::Include { fields, with_id } => {
                apply::include_root(doc, fields, *with_id, &mut Output::new(out))
            }
            Mode::Exclude(fields) => apply::exclude(doc, fields, &mut Output::new(out)),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

/// What becomes of a value.
#[derive(Debug)]
enum Rule {
    Keep,
    Remove,
    Slice(Slice),
    /// An array keeps its first element that satisfies the conditions; without conditions its very
    /// first.
    First(Option<Conditions>),
    /// Rules for the fields of a document, or of the documents in an array.
    Fields(Level),
}

/// Up to so many rules are searched one by one.
const FEW: usize = 8;

/// The rules for the fields of one document, in the order of the specification.
#[derive(Debug, Default)]
struct Level {
    rules: Vec<(Vec<u8>, Rule)>,
    /// Where in `rules` a name stands.
    positions: HashMap<Vec<u8>, usize>,
}

impl Level {
    fn position(&self, name: &[u8]) -> Option<usize> {
        if self.rules.len() <= FEW {
            return self.rules.iter().position(|(ruled, _)| ruled == name);
        }
        self.positions.get(name).copied()
    }

    fn rule(&self, name: &[u8]) -> Option<&Rule> {
        self.rules.get(self.position(name)?).map(|(_, rule)| rule)
    }

    /// The rule for `name`, which is that for no fields if there was none.
    fn rule_or_new(&mut self, name: &[u8]) -> Option<&mut Rule> {
        let position = *self.positions.entry(name.to_vec()).or_insert_with(|| {
            self.rules.push((name.to_vec(), Rule::Fields(Level::default())));
            self.rules.len() - 1
        });
        self.rules.get_mut(position).map(|(_, rule)| rule)
    }
}
