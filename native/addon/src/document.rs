//! Documents, and filters over them.

use std::sync::{Arc, LazyLock};

use kronotop_document::{Collator, Filter, ObjectIdGenerator, Projection, Update};
use napi::bindgen_prelude::{
    AsyncTask, Buffer, BufferSlice, ClassInstance, Uint32Array, Uint32ArraySlice,
};
use napi::{Env, ScopedTask};
use napi_derive::napi;

use crate::convert;
use crate::error::{Result, caught, from_document};
use crate::index::CollatorHandle;

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
    Prepared::of(documents.iter().map(|document| &**document), is_json)?.into_js(env)
}

/// As `prepareInsert`, off the event loop. The documents must not change until the promise is
/// settled.
#[napi(catch_unwind, ts_return_type = "Promise<PreparedDocuments>")]
pub fn prepare_insert_async(documents: Vec<Buffer>, is_json: bool) -> AsyncTask<PrepareTask> {
    AsyncTask::new(PrepareTask { documents, is_json })
}

pub struct PrepareTask {
    documents: Vec<Buffer>,
    is_json: bool,
}

impl<'task> ScopedTask<'task> for PrepareTask {
    type Output = Prepared;
    type JsValue = PreparedDocuments<'task>;

    fn compute(&mut self) -> Result<Prepared> {
        caught(|| Prepared::of(self.documents.iter().map(|document| &**document), self.is_json))
    }

    fn resolve(&mut self, env: &'task Env, output: Prepared) -> Result<PreparedDocuments<'task>> {
        output.into_js(env)
    }
}

#[derive(Default)]
pub struct Prepared {
    bodies: Vec<u8>,
    lengths: Vec<u32>,
    ids: Vec<u8>,
}

impl Prepared {
    fn of<'a>(documents: impl Iterator<Item = &'a [u8]>, is_json: bool) -> Result<Self> {
        let mut prepared = Self::default();
        for document in documents {
            let (body, id) = prepare(document, is_json).map_err(|error| from_document(&error))?;
            // Lossless: a document has 16 MiB at most.
            prepared.lengths.push(body.len() as u32);
            prepared.bodies.extend_from_slice(&body);
            prepared.ids.extend_from_slice(&id);
        }
        Ok(prepared)
    }

    fn into_js(self, env: &Env) -> Result<PreparedDocuments<'_>> {
        Ok(PreparedDocuments {
            bodies: convert::buffer(env, self.bodies)?,
            lengths: convert::words(env, self.lengths)?,
            ids: convert::buffer(env, self.ids)?,
        })
    }
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
    /// Compiles a filter program. Its nodes name collators by their places.
    /// @throws INVALID_PROGRAM, UNSUPPORTED_TYPE, REGEX_OPTION, REGEX_PATTERN
    #[napi(constructor, catch_unwind)]
    pub fn new(
        program: &[u8],
        collators: Option<Vec<ClassInstance<'_, CollatorHandle>>>,
    ) -> Result<Self> {
        let collators: Vec<Arc<Collator>> =
            collators.iter().flatten().map(|collator| collator.collator()).collect();
        let filter = Filter::parse_collated(program, &collators);
        Ok(Self { filter: Arc::new(filter.map_err(|error| from_document(&error))?) })
    }

    /// Whether a BSON document passes.
    /// @throws INVALID_BSON
    #[napi(catch_unwind)]
    pub fn matches(&self, document: &[u8]) -> Result<bool> {
        self.filter.matches(document).map_err(|error| from_document(&error))
    }
}

/// The pieces of back-to-back bytes; a wild end gives an empty piece.
pub(crate) fn pieces<'a>(bytes: &'a [u8], ends: &'a [u32]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(from, &to)| bytes.get(from as usize..to as usize).unwrap_or_default())
}

/// Documents back to back.
#[napi(object, object_from_js = false)]
pub struct PackedDocuments<'env> {
    /// The documents.
    pub payload: BufferSlice<'env>,
    /// Where each ends.
    pub ends: Uint32ArraySlice<'env>,
    /// The place of each in what was given.
    pub places: Uint32ArraySlice<'env>,
}

/// A compiled projection.
#[napi]
pub struct ProjectionHandle {
    projection: Arc<Projection>,
}

#[napi]
impl ProjectionHandle {
    /// Compiles a projection, a BSON document. The filter is what `$` stands for.
    /// @throws PROJECTION, INVALID_BSON, TOO_DEEP, TOO_LARGE
    #[napi(constructor, catch_unwind)]
    pub fn new(specification: &[u8], filter: Option<&FilterHandle>) -> Result<Self> {
        let filter = filter.map(FilterHandle::filter);
        let projection = Projection::compile(specification, filter.as_deref());
        Ok(Self { projection: Arc::new(projection.map_err(|error| from_document(&error))?) })
    }
}

/// How to sort documents.
#[napi(object, object_to_js = false)]
pub struct SortOptions<'env> {
    /// The dotted path of the value.
    pub path: String,
    /// Whether values descend; ties keep their order.
    pub descending: bool,
    /// What orders strings, else bytes do.
    pub collator: Option<ClassInstance<'env, CollatorHandle>>,
}

/// Makes the documents of a batch what a client gets: sorted, projected, encoded.
/// @throws INVALID_BSON, TOO_DEEP, TOO_LARGE
#[napi(catch_unwind)]
pub fn finish_documents<'env>(
    env: &'env Env,
    payload: &[u8],
    ends: &[u32],
    sort: Option<SortOptions<'env>>,
    projection: Option<&ProjectionHandle>,
    is_json: bool,
) -> Result<PackedDocuments<'env>> {
    Finish::new(sort, projection, is_json).run(payload, ends)?.into_js(env)
}

/// As `finish_documents`, off the event loop. `payload` and `ends` must not change until the
/// promise is settled.
#[napi(catch_unwind, ts_return_type = "Promise<PackedDocuments>")]
pub fn finish_documents_async(
    payload: Buffer,
    ends: Uint32Array,
    sort: Option<SortOptions<'_>>,
    projection: Option<&ProjectionHandle>,
    is_json: bool,
) -> AsyncTask<FinishTask> {
    AsyncTask::new(FinishTask { payload, ends, finish: Finish::new(sort, projection, is_json) })
}

pub struct FinishTask {
    payload: Buffer,
    ends: Uint32Array,
    finish: Finish,
}

impl<'task> ScopedTask<'task> for FinishTask {
    type Output = Packed;
    type JsValue = PackedDocuments<'task>;

    fn compute(&mut self) -> Result<Packed> {
        caught(|| self.finish.run(&self.payload, &self.ends))
    }

    fn resolve(&mut self, env: &'task Env, output: Packed) -> Result<PackedDocuments<'task>> {
        output.into_js(env)
    }
}

struct Sort {
    path: String,
    descending: bool,
    collator: Option<Arc<Collator>>,
}

struct Finish {
    sort: Option<Sort>,
    projection: Option<Arc<Projection>>,
    is_json: bool,
}

impl Finish {
    fn new(
        sort: Option<SortOptions<'_>>,
        projection: Option<&ProjectionHandle>,
        is_json: bool,
    ) -> Self {
        let sort = sort.map(|SortOptions { path, descending, collator }| Sort {
            path,
            descending,
            collator: collator.map(|collator| collator.collator()),
        });
        let projection = projection.map(|handle| handle.projection.clone());
        Self { sort, projection, is_json }
    }

    fn run(&self, payload: &[u8], ends: &[u32]) -> Result<Packed> {
        self.packed(payload, ends).map_err(|error| from_document(&error))
    }

    fn packed(
        &self,
        payload: &[u8],
        ends: &[u32],
    ) -> std::result::Result<Packed, kronotop_document::Error> {
        let documents: Vec<&[u8]> = pieces(payload, ends).collect();
        let order = match &self.sort {
            None => (0..documents.len()).collect(),
            Some(Sort { path, descending, collator }) => {
                kronotop_document::sort(&documents, path, *descending, collator.as_deref())?
            }
        };
        let mut output = Packed::default();
        let mut projected = Vec::new();
        for place in order {
            let mut document = documents.get(place).copied().unwrap_or_default();
            if let Some(projection) = &self.projection {
                projected.clear();
                projection.apply(document, &mut projected)?;
                document = &projected;
            }
            if self.is_json {
                kronotop_document::bson_to_json(document, &mut output.payload)?;
            } else {
                output.payload.extend_from_slice(document);
            }
            output.end(place);
        }
        Ok(output)
    }
}

/// A compiled update.
#[napi]
pub struct UpdateHandle {
    update: Arc<Update>,
    filter: Arc<Filter>,
}

#[napi]
impl UpdateHandle {
    /// Compiles an update, a BSON document, for the documents that a filter finds.
    /// @throws UPDATE, REGEX_OPTION, REGEX_PATTERN, INVALID_BSON, TOO_DEEP, TOO_LARGE
    #[napi(constructor, catch_unwind)]
    pub fn new(update: &[u8], filter: &FilterHandle) -> Result<Self> {
        let filter = filter.filter();
        let update = Update::compile(update, &filter).map_err(|error| from_document(&error))?;
        Ok(Self { update: Arc::new(update), filter })
    }

    /// Whether a document is inserted if none matches.
    #[napi(getter, catch_unwind)]
    pub fn is_upsert(&self) -> bool {
        self.update.is_upsert()
    }

    /// The document to insert if none matches; has an `_id` only if the filter asks for one.
    /// @throws TOO_DEEP, TOO_LARGE, INVALID_BSON
    #[napi(catch_unwind)]
    pub fn upsert_document<'env>(&self, env: &'env Env) -> Result<BufferSlice<'env>> {
        let document = self.update.upsert_document(&self.filter);
        convert::buffer(env, document.map_err(|error| from_document(&error))?)
    }

    /// The documents that become others, as they are then.
    /// @throws UPDATE, TOO_LARGE, INVALID_BSON
    #[napi(catch_unwind)]
    pub fn apply<'env>(
        &self,
        env: &'env Env,
        payload: &[u8],
        ends: &[u32],
    ) -> Result<PackedDocuments<'env>> {
        update(&self.update, payload, ends)?.into_js(env)
    }

    /// As `apply`, off the event loop. `payload` and `ends` must not change until the promise is
    /// settled.
    #[napi(catch_unwind, ts_return_type = "Promise<PackedDocuments>")]
    pub fn apply_async(&self, payload: Buffer, ends: Uint32Array) -> AsyncTask<UpdateTask> {
        AsyncTask::new(UpdateTask { update: self.update.clone(), payload, ends })
    }
}

pub struct UpdateTask {
    update: Arc<Update>,
    payload: Buffer,
    ends: Uint32Array,
}

impl<'task> ScopedTask<'task> for UpdateTask {
    type Output = Packed;
    type JsValue = PackedDocuments<'task>;

    fn compute(&mut self) -> Result<Packed> {
        caught(|| update(&self.update, &self.payload, &self.ends))
    }

    fn resolve(&mut self, env: &'task Env, output: Packed) -> Result<PackedDocuments<'task>> {
        output.into_js(env)
    }
}

fn update(update: &Update, payload: &[u8], ends: &[u32]) -> Result<Packed> {
    let mut output = Packed::default();
    for (place, document) in pieces(payload, ends).enumerate() {
        let start = output.payload.len();
        let updated = update.apply(document, &mut output.payload);
        if updated.map_err(|error| from_document(&error))? {
            output.end(place);
        } else {
            output.payload.truncate(start);
        }
    }
    Ok(output)
}

#[derive(Default)]
pub struct Packed {
    payload: Vec<u8>,
    ends: Vec<u32>,
    places: Vec<u32>,
}

impl Packed {
    /// Ends the document that came from `place`.
    fn end(&mut self, place: usize) {
        // Lossless: a batch has 64 MiB at most and one document.
        self.ends.push(self.payload.len() as u32);
        self.places.push(place as u32);
    }

    fn into_js(self, env: &Env) -> Result<PackedDocuments<'_>> {
        Ok(PackedDocuments {
            payload: convert::buffer(env, self.payload)?,
            ends: convert::words(env, self.ends)?,
            places: convert::words(env, self.places)?,
        })
    }
}

/// The CRC-32C of the bytes.
#[napi(js_name = "crc32c", catch_unwind)]
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}
