//! Indexes: the entries that documents have, and the keys that conditions ask for.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use kronotop_document::{CollationSpec, Collator, Field, FieldKind, Index, Keys};
use napi::bindgen_prelude::{AsyncTask, Buffer, BufferSlice, Uint32Array, Uint32ArraySlice};
use napi::{Env, ScopedTask};
use napi_derive::napi;

use crate::convert;
use crate::document::pieces;
use crate::error::{Result, caught, from_document, invalid_argument};

/// Bytes of the `_id` that ends a key.
const ID_BYTES: usize = 12;
/// Where the `_id`, the first element of every stored document, has its bytes.
const ID_START: usize = 9;

/// What a change does to an entry.
const CLEARED: u32 = 0;
const ADDED: u32 = 1;
const KEPT: u32 = 2;
/// Added to the change of an entry that stands for an empty array.
const EMPTY_ARRAY: u32 = 4;

const HAS_ARRAYS: u32 = 1;
const HAS_SKIPPED: u32 = 2;

/// A collation, ready to compare.
#[napi(js_name = "Collator")]
pub struct CollatorHandle {
    collator: Arc<Collator>,
}

impl CollatorHandle {
    pub(crate) fn collator(&self) -> Arc<Collator> {
        self.collator.clone()
    }
}

#[napi]
impl CollatorHandle {
    /// Reads a specification, a BSON document.
    /// @throws COLLATION, INVALID_BSON
    #[napi(constructor, catch_unwind)]
    pub fn new(specification: &[u8]) -> Result<Self> {
        let collator = CollationSpec::parse(specification).and_then(|spec| Collator::new(&spec));
        Ok(Self { collator: Arc::new(collator.map_err(|error| from_document(&error))?) })
    }
}

/// Names what makes the keys of strings; keys of another version are void.
#[napi]
pub fn collator_version() -> &'static str {
    Collator::VERSION
}

/// A field of an index.
#[napi(object, object_to_js = false)]
pub struct IndexFieldOptions {
    /// The dotted path.
    pub selector: String,
    /// As DESCRIBE prints it.
    #[napi(js_name = "type")]
    pub kind: String,
    /// Whether a compound index may have arrays here.
    pub multi_key: bool,
}

/// An index as its definition describes it.
#[napi(object, object_to_js = false)]
pub struct IndexOptions<'env> {
    /// Its name.
    pub name: String,
    /// What its keys begin with in the store.
    pub prefix: Buffer,
    /// Its fields.
    pub fields: Vec<IndexFieldOptions>,
    /// Whether it is compound.
    pub compound: bool,
    /// Whether a value of another type is an error.
    pub strict: bool,
    /// What orders its strings.
    pub collator: Option<napi::bindgen_prelude::ClassInstance<'env, CollatorHandle>>,
}

struct Member {
    index: Index,
    prefix: Vec<u8>,
}

/// The indexes of a bucket that writers maintain.
#[napi(js_name = "IndexSet")]
pub struct IndexSetHandle {
    members: Arc<[Member]>,
}

/// What writes do to the entries of the indexes, by document, then by index.
#[napi(object, object_from_js = false)]
pub struct KeyChanges<'env> {
    /// The keys of the entries in the store, back to back.
    pub keys: BufferSlice<'env>,
    /// Where each key ends.
    pub ends: Uint32ArraySlice<'env>,
    /// The document of each key.
    pub documents: Uint32ArraySlice<'env>,
    /// The index of each key.
    pub indexes: Uint32ArraySlice<'env>,
    /// 0 = cleared, 1 = added, 2 = kept; plus 4 if it stands for an empty array.
    pub kinds: Uint32ArraySlice<'env>,
    /// For each index: 1 = a new document has arrays, 2 = one has a value without an entry.
    pub flags: Uint32ArraySlice<'env>,
}

/// Keys of a range in the store.
#[napi(object, object_from_js = false)]
pub struct StoreRange<'env> {
    /// The first key.
    pub begin: BufferSlice<'env>,
    /// Behind the last key.
    pub end: BufferSlice<'env>,
}

/// Ranges of keys in the store, ascending.
#[napi(object, object_from_js = false)]
pub struct PackedRanges<'env> {
    /// The first key of a range, then the key behind its last one, back to back.
    pub keys: BufferSlice<'env>,
    /// Where each key ends.
    pub ends: Uint32ArraySlice<'env>,
}

#[derive(Default)]
pub struct Changes {
    keys: Vec<u8>,
    ends: Vec<u32>,
    documents: Vec<u32>,
    indexes: Vec<u32>,
    kinds: Vec<u32>,
    flags: Vec<u32>,
}

#[napi]
impl IndexSetHandle {
    /// Compiles definitions.
    /// @throws INVALID_ARGUMENT
    #[napi(constructor, catch_unwind)]
    pub fn new(definitions: Vec<IndexOptions<'_>>) -> Result<Self> {
        let members = definitions.into_iter().map(member).collect::<Result<_>>()?;
        Ok(Self { members })
    }

    /// The entries of documents before and after a write, both in the same order; without one of
    /// them the documents are new, or go. Each document begins with its `_id`.
    /// @throws INDEX_TYPE, KEY_TOO_LARGE, INVALID_BSON
    #[napi(catch_unwind)]
    pub fn changes<'env>(
        &self,
        env: &'env Env,
        before: Option<&[u8]>,
        before_ends: Option<&[u32]>,
        after: Option<&[u8]>,
        after_ends: Option<&[u32]>,
    ) -> Result<KeyChanges<'env>> {
        Changes::of(&self.members, before.zip(before_ends), after.zip(after_ends))?.into_js(env)
    }

    /// As `changes`, off the event loop. The arguments must not change until the promise is
    /// settled.
    #[napi(catch_unwind, ts_return_type = "Promise<KeyChanges>")]
    pub fn changes_async(
        &self,
        before: Option<Buffer>,
        before_ends: Option<Uint32Array>,
        after: Option<Buffer>,
        after_ends: Option<Uint32Array>,
    ) -> AsyncTask<ChangesTask> {
        let (before, after) = (before.zip(before_ends), after.zip(after_ends));
        AsyncTask::new(ChangesTask { members: self.members.clone(), before, after })
    }

    /// The keys that conditions on the leading fields of an index ask for, as
    /// `kronotop_document::Index::range` reads them. Null when an operand does not fit.
    /// @throws INVALID_BSON, INVALID_PROGRAM, INVALID_ARGUMENT
    #[napi(catch_unwind)]
    pub fn range<'env>(
        &self,
        env: &'env Env,
        index: u32,
        conditions: &[u8],
    ) -> Result<Option<StoreRange<'env>>> {
        let Member { index, prefix } = self.member(index)?;
        let range = index.range(conditions).map_err(|error| from_document(&error))?;
        let Some(range) = range else { return Ok(None) };
        let absolute = |key: Vec<u8>| convert::buffer(env, [prefix.as_slice(), &key].concat());
        Ok(Some(StoreRange { begin: absolute(range.begin)?, end: absolute(range.end)? }))
    }

    /// The keys that any of several equalities on the leading fields of an index asks for, as
    /// `kronotop_document::Index::equalities` reads and orders them.
    /// @throws INVALID_BSON, INVALID_PROGRAM, INVALID_ARGUMENT
    #[napi(catch_unwind)]
    pub fn equalities<'env>(
        &self,
        env: &'env Env,
        index: u32,
        equalities: &[u8],
    ) -> Result<PackedRanges<'env>> {
        let Member { index, prefix } = self.member(index)?;
        let ranges = index.equalities(equalities).map_err(|error| from_document(&error))?;
        let (mut keys, mut ends) = (Vec::new(), Vec::with_capacity(ranges.len() * 2));
        for key in ranges.iter().flat_map(|range| [&range.begin, &range.end]) {
            keys.extend_from_slice(prefix);
            keys.extend_from_slice(key);
            // Lossless: a request has less than 2 GiB.
            ends.push(keys.len() as u32);
        }
        Ok(PackedRanges { keys: convert::buffer(env, keys)?, ends: convert::words(env, ends)? })
    }

    /// The text that says that a key of a document, as `changes` gave it, is taken.
    /// @throws INVALID_BSON, INVALID_ARGUMENT
    #[napi(catch_unwind)]
    pub fn duplicate(&self, index: u32, document: &[u8], key: &[u8]) -> Result<String> {
        let Member { index, prefix } = self.member(index)?;
        let value = key.get(prefix.len()..key.len().saturating_sub(ID_BYTES)).unwrap_or_default();
        let error = index.duplicate(document, value).map_err(|error| from_document(&error))?;
        Ok(error.to_string())
    }

    fn member(&self, index: u32) -> Result<&Member> {
        self.members.get(index as usize).ok_or_else(|| invalid_argument("there is no such index"))
    }
}

fn member(options: IndexOptions<'_>) -> Result<Member> {
    let IndexOptions { name, prefix, fields, compound, strict, collator } = options;
    let collator = collator.map(|collator| collator.collator());
    let mut fields = fields.into_iter().map(field).collect::<Result<Vec<_>>>()?;
    let index = if compound {
        Index::compound(&name, fields, collator, strict)
    } else {
        let field = fields.pop().ok_or_else(|| invalid_argument("an index has a field"))?;
        Index::single(&name, field, collator, strict)
    };
    Ok(Member { index, prefix: prefix.to_vec() })
}

fn field(options: IndexFieldOptions) -> Result<Field> {
    let kind = FieldKind::from_name(&options.kind)
        .ok_or_else(|| invalid_argument("there is no such type of index"))?;
    Ok(Field::new(&options.selector, kind, options.multi_key))
}

fn keys(index: &Index, document: Option<&[u8]>, keys: &mut Keys) -> Result<()> {
    match document {
        Some(document) => index.keys(document, keys).map_err(|error| from_document(&error)),
        None => {
            *keys = Keys::new();
            Ok(())
        }
    }
}

fn id(document: Option<&[u8]>) -> Result<&[u8]> {
    let id = document.and_then(|document| document.get(ID_START..ID_START + ID_BYTES));
    id.ok_or_else(|| invalid_argument("a stored document begins with its _id"))
}

struct Entry<'a> {
    document: u32,
    index: u32,
    member: &'a Member,
}

pub struct ChangesTask {
    members: Arc<[Member]>,
    before: Option<(Buffer, Uint32Array)>,
    after: Option<(Buffer, Uint32Array)>,
}

impl<'task> ScopedTask<'task> for ChangesTask {
    type Output = Changes;
    type JsValue = KeyChanges<'task>;

    fn compute(&mut self) -> Result<Changes> {
        let Self { members, before, after } = self;
        caught(|| Changes::of(members, side(before.as_ref()), side(after.as_ref())))
    }

    fn resolve(&mut self, env: &'task Env, output: Changes) -> Result<KeyChanges<'task>> {
        output.into_js(env)
    }
}

fn side(documents: Option<&(Buffer, Uint32Array)>) -> Side<'_> {
    documents.map(|(payload, ends)| (&**payload, &**ends))
}

/// Documents back to back, and where each ends.
type Side<'a> = Option<(&'a [u8], &'a [u32])>;

impl Changes {
    fn of(members: &[Member], before: Side<'_>, after: Side<'_>) -> Result<Self> {
        let count = before.or(after).map_or(0, |(_, ends)| ends.len());
        let documents = |(payload, ends)| pieces(payload, ends);
        let mut before = before.map(documents).into_iter().flatten();
        let mut after = after.map(documents).into_iter().flatten();
        let mut flags = vec![0; members.len()];
        let mut changes = Self::default();
        let (mut old, mut new) = (Keys::new(), Keys::new());
        for document in 0..count {
            let (before, after) = (before.next(), after.next());
            for (place, (member, flag)) in members.iter().zip(&mut flags).enumerate() {
                let entry = Entry { document: document as u32, index: place as u32, member };
                keys(&member.index, before, &mut old)?;
                keys(&member.index, after, &mut new)?;
                *flag |= if new.has_array() { HAS_ARRAYS } else { 0 };
                *flag |= if new.has_skipped() { HAS_SKIPPED } else { 0 };
                changes.merge(&entry, id(after.or(before))?, &old, &new);
            }
        }
        changes.flags = flags;
        Ok(changes)
    }

    fn into_js(self, env: &Env) -> Result<KeyChanges<'_>> {
        Ok(KeyChanges {
            keys: convert::buffer(env, self.keys)?,
            ends: convert::words(env, self.ends)?,
            documents: convert::words(env, self.documents)?,
            indexes: convert::words(env, self.indexes)?,
            kinds: convert::words(env, self.kinds)?,
            flags: convert::words(env, self.flags)?,
        })
    }

    /// Adds what becomes of the entries of one document in one index.
    fn merge(&mut self, entry: &Entry<'_>, id: &[u8], old: &Keys, new: &Keys) {
        let mut before = old.iter().peekable();
        let mut after = new.iter().peekable();
        while let Some((key, kind)) = next(&mut before, &mut after) {
            let of = if kind == CLEARED { old } else { new };
            self.keys.extend_from_slice(&entry.member.prefix);
            self.keys.extend_from_slice(key);
            self.keys.extend_from_slice(id);
            // Lossless: a batch has a few thousand keys of 8 KiB at most.
            self.ends.push(self.keys.len() as u32);
            self.documents.push(entry.document);
            self.indexes.push(entry.index);
            self.kinds.push(if of.is_empty_array() { kind + EMPTY_ARRAY } else { kind });
        }
    }
}

/// The next key of two ascending lists, and what becomes of it.
fn next<'a>(
    before: &mut Peekable<impl Iterator<Item = &'a [u8]>>,
    after: &mut Peekable<impl Iterator<Item = &'a [u8]>>,
) -> Option<(&'a [u8], u32)> {
    let order = match (before.peek(), after.peek()) {
        (Some(old), Some(new)) => old.cmp(new),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    match order {
        Ordering::Less => before.next().map(|key| (key, CLEARED)),
        Ordering::Greater => after.next().map(|key| (key, ADDED)),
        Ordering::Equal => {
            before.next();
            after.next().map(|key| (key, KEPT))
        }
    }
}
