//! Preparation of a document for storage: an ObjectId as `_id`, and it comes first.

use crate::raw::{self, Value, kind};
use crate::write::Writer;
use crate::{Error, MAX_DOCUMENT_BYTES};

/// Kind, name with its zero, 12 bytes.
const ID_ELEMENT_BYTES: usize = 1 + 4 + 12;

/// Returns `doc` with its `_id` in front, and the id: `generated` if the document has none. Of
/// several
/// `_id` elements the last counts and the others go. `doc` must have passed [`crate::validate`].
///
/// # Errors
/// [`Error::IdType`] if `_id` is no ObjectId, [`Error::TooLarge`] if it no longer fits with its id,
/// [`Error::Bson`] if `doc` is damaged.
pub fn prepare_insert(doc: &[u8], generated: &[u8; 12]) -> Result<(Vec<u8>, [u8; 12]), Error> {
    let id = match last_id(doc)? {
        None => *generated,
        Some(Value::ObjectId(id)) => *id,
        Some(_) => return Err(Error::IdType),
    };
    let mut writer = Writer::with_capacity(doc.len() + ID_ELEMENT_BYTES);
    let start = writer.begin();
    writer.element(kind::OBJECT_ID, b"_id", &id);
    let mut elements = raw::elements(doc)?;
    while let Some(element) = elements.next()? {
        if element.name != b"_id" {
            writer.element(element.kind, element.name, element.bytes);
        }
    }
    writer.end(start)?;
    if writer.out.len() > MAX_DOCUMENT_BYTES {
        return Err(Error::TooLarge);
    }
    Ok((writer.out, id))
}

fn last_id(doc: &[u8]) -> Result<Option<Value<'_>>, Error> {
    let mut last = None;
    let mut elements = raw::elements(doc)?;
    while let Some(element) = elements.next()? {
        if element.name == b"_id" {
            last = Some(element.value()?);
        }
    }
    Ok(last)
}
