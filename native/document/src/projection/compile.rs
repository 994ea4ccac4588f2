//! Reading of projection specifications: every mistake is found before a document is looked at.

use super::slice::Slice;
use super::{Level, Mode, Rule};
use crate::error::shown;
use crate::number::Number;
use crate::raw::{self, Element, Value};
use crate::validate::validate;
use crate::{Error, Filter, MAX_DEPTH};

const POSITIONAL: &str = ".$";

/// What a specification asks for.
#[derive(Default)]
struct Entries<'a> {
    includes: bool,
    excludes: bool,
    with_id: bool,
    without_id: bool,
    has_slices: bool,
    /// The path with the positional operator.
    positional: Option<&'a str>,
    /// In their order, without the numbers for `_id`.
    fields: Vec<(&'a str, Wish)>,
}

#[derive(Clone, Copy)]
enum Wish {
    /// In or out: the mode tells.
    Listed,
    Slice(Slice),
    Positional,
}

pub(super) fn compile(spec: &[u8], filter: Option<&Filter>) -> Result<Mode, Error> {
    validate(spec)?;
    let entries = Entries::read(spec)?;
    if entries.includes && entries.excludes {
        return fail("Cannot mix inclusion and exclusion in projection spec (except _id: 0)");
    }
    if entries.positional.is_some() && entries.has_slices {
        return fail(
            "$slice cannot be combined with the positional $ operator in the same projection spec",
        );
    }
    if entries.fields.is_empty() && !entries.with_id && !entries.without_id {
        return Ok(Mode::Whole);
    }
    let includes =
        entries.includes || !(entries.excludes || entries.without_id || entries.has_slices);
    let mut fields = Level::default();
    for &(path, wish) in &entries.fields {
        if includes && !entries.without_id && path.split('.').next() == Some("_id") {
            // It is there already, and first.
            continue;
        }
        let (path, rule) = match wish {
            Wish::Listed if includes => (path, Rule::Keep),
            Wish::Listed => (path, Rule::Remove),
            Wish::Slice(slice) => (path, Rule::Slice(slice)),
            Wish::Positional => positional(path, filter)?,
        };
        insert(&mut fields, path, rule)?;
    }
    if includes {
        return Ok(Mode::Include { fields, with_id: !entries.without_id });
    }
    if entries.without_id
        && let Some(rule) = fields.rule_or_new(b"_id")
    {
        *rule = Rule::Remove;
    }
    Ok(Mode::Exclude(fields))
}

fn fail<T>(message: &str) -> Result<T, Error> {
    Err(Error::Projection(message.to_owned()))
}

impl<'a> Entries<'a> {
    fn read(spec: &'a [u8]) -> Result<Entries<'a>, Error> {
        let mut entries = Entries::default();
        let mut elements = raw::elements(spec)?;
        while let Some(element) = elements.next()? {
            let path = crate::validate::utf8(element.name)?;
            if path.split('.').nth(MAX_DEPTH).is_some() {
                return Err(Error::TooDeep);
            }
            if let Value::Document(operators) = element.value()? {
                entries.add_slice(path, operators)?;
            } else {
                entries.add_number(path, &element)?;
            }
        }
        Ok(entries)
    }

    fn add_slice(&mut self, path: &'a str, operators: &[u8]) -> Result<(), Error> {
        let mut elements = raw::elements(operators)?;
        let (Some(operator @ Element { name: b"$slice", .. }), None) =
            (elements.next()?, elements.next()?)
        else {
            let field = shown(path);
            let message = format!(
                "Unsupported projection operator for field '{field}': only $slice is supported"
            );
            return Err(Error::Projection(message));
        };
        self.fields.push((path, Wish::Slice(Slice::read(path, &operator)?)));
        self.has_slices = true;
        if path.split('.').any(|name| name == "$") {
            self.positional = Some(path);
        }
        Ok(())
    }

    fn add_number(&mut self, path: &'a str, element: &Element<'_>) -> Result<(), Error> {
        let Some(number) = Number::of(element.value()?) else {
            let field = shown(path);
            let message = format!("Projection value for field '{field}' must be a number");
            return Err(Error::Projection(message));
        };
        let is_in = number.compare(Number::Integer(0)).is_ne();
        if path == "_id" {
            self.with_id |= is_in;
            self.without_id |= !is_in;
            return Ok(());
        }
        self.includes |= is_in;
        self.excludes |= !is_in;
        let wish = if path.split('.').any(|name| name == "$") {
            self.check_positional(path, is_in)?;
            self.positional = Some(path);
            Wish::Positional
        } else {
            Wish::Listed
        };
        self.fields.push((path, wish));
        Ok(())
    }

    fn check_positional(&self, path: &str, is_in: bool) -> Result<(), Error> {
        let array = path.strip_suffix(POSITIONAL);
        let message = if array.is_none_or(|array| array.split('.').any(|name| name == "$")) {
            "The positional operator $ can only appear at the end of the field path: "
        } else if self.positional.is_some() {
            return fail("Only one positional $ operator is allowed in the projection spec");
        } else if !is_in {
            "The positional operator $ can only be used with inclusion: "
        } else {
            return Ok(());
        };
        Err(Error::Projection(format!("{message}{}", shown(path))))
    }
}

/// The array that `path` names, and its rule.
fn positional<'a>(path: &'a str, filter: Option<&Filter>) -> Result<(&'a str, Rule), Error> {
    let array = path.strip_suffix(POSITIONAL).unwrap_or(path);
    match filter {
        Some(filter) => Ok((array, Rule::First(filter.conditions_on(array)?))),
        None => fail(
            "The positional $ operator requires a parsed query to determine the matching array \
             element",
        ),
    }
}

/// Adds a rule. A rule for a whole field covers those for parts of it.
fn insert(root: &mut Level, path: &str, rule: Rule) -> Result<(), Error> {
    let mut level = root;
    let mut names = path.split('.').peekable();
    let mut end = 0;
    while let Some(name) = names.next() {
        end += name.len();
        let Some(slot) = level.rule_or_new(name.as_bytes()) else { return Ok(()) };
        if names.peek().is_none() {
            check_below(path.to_owned(), slot, path, &rule)?;
            *slot = rule;
            return Ok(());
        }
        match slot {
            Rule::Fields(inner) => level = inner,
            covering => {
                return check(path.get(..end).unwrap_or(path), covering, path, &rule);
            }
        }
        end += 1;
    }
    Ok(())
}

/// Checks a rule against one at the same path or all below it. Recursion ends with the longest path
/// of the specification.
fn check_below(at: String, present: &Rule, path: &str, rule: &Rule) -> Result<(), Error> {
    let Rule::Fields(level) = present else { return check(&at, present, path, rule) };
    for (name, inner) in &level.rules {
        let name = String::from_utf8_lossy(name);
        check_below(format!("{at}.{name}"), inner, path, rule)?;
    }
    Ok(())
}

/// Checks two rules of which one covers the other.
fn check(present_path: &str, present: &Rule, path: &str, rule: &Rule) -> Result<(), Error> {
    let (present_path, path) = (shown(present_path), shown(path));
    Err(Error::Projection(match (present, rule) {
        (Rule::Slice(_), Rule::Slice(_)) => {
            format!("$slice on '{present_path}' collides with $slice on '{path}'")
        }
        (Rule::Slice(_), _) => {
            format!("$slice on '{present_path}' collides with projecting field '{path}'")
        }
        (_, Rule::Slice(_)) => {
            format!("$slice on '{path}' collides with projecting field '{present_path}'")
        }
        (Rule::First(_), _) => positional_collision(&present_path, &path),
        (_, Rule::First(_)) => positional_collision(&path, &present_path),
        _ => return Ok(()),
    }))
}

fn positional_collision(array: &str, field: &str) -> String {
    format!("The positional operator $ on '{array}' collides with projecting field '{field}'")
}
