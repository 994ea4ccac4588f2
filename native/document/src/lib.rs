//! Documents: one implementation of what a BSON document means, over raw bytes.
//!
//! - JSON text to BSON and back ([`json_to_bson`], [`bson_to_json`])
//! - checks and preparation of a document to store ([`validate`], [`prepare_insert`])
//! - filter programs compiled by the query planner ([`Filter`])
//! - parts of a document for a reply ([`Projection`]), changes to one ([`Update`])
//! - the order of strings in a language ([`Collator`])
//! - keys of indexes ([`Index`]), the order of results ([`sort`])
//!
//! INVARIANT: no input makes a function here panic, loop, or allocate more than a small multiple of
//! the input's size. Functions that read BSON check every length they follow, so a damaged document
//! gives [`Error::Bson`]; only [`validate`] promises to look at every byte.

mod collation;
mod decimal;
mod error;
mod filter;
mod index;
mod json;
mod number;
mod object_id;
mod order;
mod output;
mod prepare;
mod projection;
mod raw;
mod update;
mod validate;
mod write;

pub use collation::{CollationSpec, Collator};
pub use error::{Error, IndexMismatch};
pub use filter::Filter;
pub use index::{Field, FieldKind, Index, KeyRange, Keys};
pub use json::{bson_to_json, json_to_bson};
pub use object_id::ObjectIdGenerator;
pub use order::sort;
pub use prepare::prepare_insert;
pub use projection::Projection;
pub use update::Update;
pub use validate::validate;

/// The largest encoded document in bytes (16 MiB).
pub const MAX_DOCUMENT_BYTES: usize = 1 << 24;

/// The deepest nesting of documents and arrays; the top-level document is level 1.
pub const MAX_DEPTH: usize = 200;

/// The longest index key of a document in bytes, without the document's id.
pub const MAX_INDEX_KEY_BYTES: usize = 8192;

#[cfg(test)]
mod tests;
