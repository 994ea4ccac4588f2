//! Documents, and filters over them.

use std::sync::{Arc, LazyLock};

use kronotop_document::{Filter, ObjectIdGenerator};
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Uint32ArraySlice};
use napi_derive::napi;

use crate::convert;
use crate::error::{Result, from_document};

static OBJECT_IDS: LazyLock<ObjectIdGenerator> = LazyLock::new(ObjectIdGenerator::new);

/// Converts JSON text to a BSON document.
/// @throws INVALID_JSON, TOO_DEEP, TOO_LARGE
#[napi(catch_unwind)]
pub fn json_to_bson<'env>(env: &'env Env, text: &[u8]) -> Result<BufferSlice<'env>> {
    let bson = kronotop_document::json_to_bson(text).map_err(|error| from_document(&error))?;
    convert::buffer(env, bson)
}

/// Converts a BSON document to JSON text.
/// @throws INVALID_BSON
#[napi(catch_unwind)]
pub fn bson_to_json<'env>(env: &'env Env, document: &[u8]) -> Result<BufferSlice<'env>> {
    let mut text = Vec::with_capacity(document.len().saturating_mul(2));
    kronotop_document::bson_to_json(document, &mut text).map_err(|error| from_document(&error))?;
    convert::buffer(env, text)
}

/// Checks that the bytes are exactly one BSON document.
/// @throws INVALID_BSON, TOO_DEEP, TOO_LARGE
#[napi(catch_unwind)]
pub fn validate_bson(document: &[u8]) -> Result<()> {
    kronotop_document::validate(document).map_err(|error| from_document(&error))
}

/// Documents ready to be appended.
#[napi(object, object_from_js = false)]
pub struct PreparedDocuments<'env> {
    /// The BSON documents, back to back.
    pub bodies: BufferSlice<'env>,
    /// The length of each in bytes.
    pub lengths: Uint32ArraySlice<'env>,
    /// The `_id` of each, 12 bytes.
    pub ids: BufferSlice<'env>,
}

/// Converts or validates documents to insert and puts their `_id` in front; a document without
/// one gets a new one, in ascending order.
/// @throws INVALID_JSON, INVALID_BSON, ID_TYPE, TOO_DEEP, TOO_LARGE
#[napi(catch_unwind)]
pub fn prepare_insert<'env>(
    env: &'env Env,
    documents: Vec<BufferSlice<'env>>,
    is_json: bool,
) -> Result<PreparedDocuments<'env>> {
    let mut bodies = Vec::new();
    let mut lengths = Vec::with_capacity(documents.len());
    let mut ids = Vec::with_capacity(documents.len() * 12);
    for document in &documents {
        let (body, id) = prepare(document, is_json).map_err(|error| from_document(&error))?;
        // Lossless: a document has 16 MiB at most.
        lengths.push(body.len() as u32);
        bodies.extend_from_slice(&body);
        ids.extend_from_slice(&id);
    }
    Ok(PreparedDocuments {
        bodies: convert::buffer(env, bodies)?,
        lengths: convert::words(env, lengths)?,
        ids: convert::buffer(env, ids)?,
    })
}

fn prepare(
    document: &[u8],
    is_json: bool,
) -> std::result::Result<(Vec<u8>, [u8; 12]), kronotop_document::Error> {
    let generated = OBJECT_IDS.next_id();
    if is_json {
        let bson = kronotop_document::json_to_bson(document)?;
        return kronotop_document::prepare_insert(&bson, &generated);
    }
    kronotop_document::validate(document)?;
    kronotop_document::prepare_insert(document, &generated)
}

/// A compiled filter program, to be used for many batches.
#[napi]
pub struct FilterHandle {
    filter: Arc<Filter>,
}

impl FilterHandle {
    pub(crate) fn filter(&self) -> Arc<Filter> {
        self.filter.clone()
    }
}

#[napi]
impl FilterHandle {
    /// Compiles a filter program.
    /// @throws INVALID_PROGRAM, UNSUPPORTED_TYPE, REGEX_OPTION, REGEX_PATTERN
    #[napi(constructor, catch_unwind)]
    pub fn new(program: &[u8]) -> Result<Self> {
        let filter = Filter::parse(program).map_err(|error| from_document(&error))?;
        Ok(Self { filter: Arc::new(filter) })
    }

    /// Whether a BSON document passes.
    /// @throws INVALID_BSON
    #[napi(catch_unwind)]
    pub fn matches(&self, document: &[u8]) -> Result<bool> {
        self.filter.matches(document).map_err(|error| from_document(&error))
    }
}

/// The CRC-32C of the bytes.
#[napi(js_name = "crc32c", catch_unwind)]
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}
