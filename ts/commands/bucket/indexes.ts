/** BUCKET.INDEX and its subcommands. Each works in a transaction of its own, whatever transaction
 *  is open in the session. */

import { type Bucket, openBucket } from '../../query/buckets.js'
import {
  allIndexes,
  analyzeIndex,
  cardinality,
  createIndexes,
  type Drop,
  dropIndex,
  type IndexChange,
  requireIndex,
} from '../../query/indexes/index-administration.js'
import { IndexIds } from '../../query/indexes/index-schema.js'
import { type IndexTask, TaskIds } from '../../query/indexes/index-tasks.js'
import type { IndexDefinition } from '../../query/indexes/indexes.js'
import { collationFields } from '../../query/language/collation.js'
import { verifyBucket } from '../../query/maintenance/index-verification.js'
import { array, boolean, bulk, integer, map, mapOf, ok, oneOf, typed } from '../../resp/reply.js'
import { bytes, command, subcommand, text } from '../../server/command.js'
import type { Context } from '../../server/context.js'
import { stampText } from '../../store/stamp-text.js'
import type { Tx } from '../../store/tx.js'
import type { MaybePromise } from '../../store/types.js'
import { PEOPLE_EXAMPLE } from './shared.js'

const noCollation = map({})
const collationReply = map({
  locale: bulk,
  strength: integer,
  case_level: boolean,
  case_first: bulk,
  numeric_ordering: boolean,
  alternate: bulk,
  backwards: boolean,
  normalization: boolean,
  max_variable: bulk,
})
/** What all kinds end with. */
const state = {
  status: bulk,
  unique: boolean,
  collation: oneOf(collationReply, noCollation),
  statistics: map({ cardinality: integer }),
}
const singleReply = map({
  index_type: bulk,
  id: integer,
  selector: bulk,
  bson_type: bulk,
  ...state,
})
const compoundReply = map({
  index_type: bulk,
  id: integer,
  fields: array(map({ selector: bulk, bson_type: bulk })),
  ...state,
})

const taskReply = map({ kind: bulk, status: bulk, error: bulk })
const buildReply = map({
  kind: bulk,
  cursor: bulk,
  lower: bulk,
  upper: bulk,
  status: bulk,
  error: bulk,
})

const BUCKET_ERRORS = [
  'NOSUCHNAMESPACE',
  'NAMESPACEBEINGREMOVED',
  'NOSUCHBUCKET',
  'BUCKETBEINGREMOVED',
]

/** What examples begin with: a bucket with two indexes. */
const INDEXED_EXAMPLE: readonly string[] = [
  'BUCKET.CREATE people INDEXES ' +
    `'{"age": {"bson_type": "int32", "name": "by-age"}, ` +
    `"$compound": [{"fields": [{"selector": "name", "bson_type": "string"}, ` +
    `{"selector": "age", "bson_type": "int32"}], "name": "by-name"}]}'`,
]

/** Reads a bucket and works on it, in a transaction of its own. */
async function inBucket<T>(
  { services, session }: Context,
  name: string,
  work: (tx: Tx, bucket: Bucket) => MaybePromise<T>,
): Promise<T> {
  const namespace = await services.namespaces.resolve(session.namespace)
  return services.store.transact(async tx => work(tx, await openBucket(tx, namespace, name)))
}

/** Changes a bucket's indexes, in a transaction of its own that may be repeated. */
async function changing(
  { services, session }: Context,
  name: string,
  work: (tx: Tx, change: IndexChange) => MaybePromise<void>,
): Promise<void> {
  const { store, namespaces, indexTasks: tasks } = services
  const namespace = await namespaces.resolve(session.namespace)
  const taskIds = new TaskIds(await store.readVersion())
  await store.transact(
    async tx => {
      const bucket = await openBucket(tx, namespace, name)
      return work(tx, { place: { namespace, bucket }, tasks, taskIds })
    },
    { idempotent: true },
  )
}

const create = subcommand({
  name: 'CREATE',
  complexity: 'O(1); the indexes are built in the background',
  summary: 'Adds indexes to a bucket.',
  args: [text('bucket'), bytes('schema')],
  flags: ['write'],
  errors: BUCKET_ERRORS,
  reply: ok,
  example: [
    'BUCKET.CREATE people',
    `BUCKET.INDEX CREATE people '{"age": {"bson_type": "int32"}}'`,
    `BUCKET.INDEX CREATE people '{"age": {"bson_type": "int64"}}'`,
    'BUCKET.INDEX LIST people',
  ],
  notes: [
    'The schema is JSON: `{path: {"bson_type": type, "multi_key": flag, "unique": flag, "name": ' +
      'text, "collation": specification}}`, and `"$compound": [{"fields": [{"selector": path, ' +
      '"bson_type": type, "multi_key": flag} …], "unique": flag, "name": text, "collation": ' +
      'specification} …]` with 2 to 32 fields each. Only the type is required.',
    'Types: `string`, `int32`, `int64`, `double`, `boolean`, `datetime`, `timestamp`, `binary`, ' +
      '`objectid`.',
    'An index is `WAITING`, then `BUILDING`: it is kept up to date, and a unique one refuses ' +
      'duplicates. Queries use it once it is `READY`.',
  ],
  run: (ctx, { bucket, schema }) => {
    const ids = new IndexIds()
    return changing(ctx, bucket, (tx, change) => createIndexes(tx, change, { schema, ids }))
  },
})

const list = subcommand({
  name: 'LIST',
  complexity: 'O(n) in the number of indexes',
  summary: 'Lists the names of the indexes of a bucket.',
  args: [text('bucket')],
  flags: ['readonly'],
  errors: BUCKET_ERRORS,
  reply: array(bulk),
  example: [...INDEXED_EXAMPLE, 'BUCKET.INDEX LIST people'],
  notes: ['In byte order. A dropped index is listed until its entries are deleted.'],
  run: (ctx, { bucket: name }) =>
    inBucket(ctx, name, (_, bucket) => {
      const names = allIndexes(bucket).map(index => Buffer.from(index.name))
      return names.sort(Buffer.compare)
    }),
})

const describe = subcommand({
  name: 'DESCRIBE',
  complexity: 'O(1)',
  summary: 'Describes an index.',
  args: [text('bucket'), text('name')],
  flags: ['readonly'],
  errors: [...BUCKET_ERRORS, 'NOSUCHINDEX'],
  reply: oneOf(singleReply, compoundReply),
  example: [
    ...INDEXED_EXAMPLE,
    'BUCKET.INDEX DESCRIBE people by-age',
    'BUCKET.INDEX DESCRIBE people by-name',
  ],
  notes: [
    'Status: `WAITING`, `BUILDING`, `READY`, `DROPPED` or `FAILED`. The collation is empty where ' +
      'strings are compared byte by byte.',
    '`cardinality` is the number of entries that the index has now.',
    'When the version of the collator changes, indexes with a collation are `WAITING` again as ' +
      'soon as their bucket is used; queries find the same without them.',
  ],
  run: (ctx, { bucket: name, name: indexName }) =>
    inBucket(ctx, name, async (tx, bucket) => {
      const index = requireIndex(bucket, indexName)
      return description(index, await cardinality(tx, bucket, index.id))
    }),
})

const drop = subcommand({
  name: 'DROP',
  complexity: 'O(1); the entries are deleted in the background',
  summary: 'Drops an index.',
  args: [text('bucket'), text('name')],
  flags: ['write'],
  errors: [...BUCKET_ERRORS, 'NOSUCHINDEX'],
  reply: ok,
  example: [
    ...INDEXED_EXAMPLE,
    'BUCKET.INDEX DROP people by-age',
    'BUCKET.INDEX DROP people primary-index',
  ],
  notes: [
    'It is neither read nor kept up to date from now on. Its name is free when its entries are ' +
      'deleted.',
    'An index that is being built or analyzed cannot be dropped.',
  ],
  run: (ctx, { bucket, name }) => {
    const dropped: Drop = { name }
    return changing(ctx, bucket, (tx, change) => dropIndex(tx, change, dropped))
  },
})

const tasks = subcommand({
  name: 'TASKS',
  complexity: 'O(n) in the number of tasks',
  summary: 'Lists the background tasks of an index.',
  args: [text('bucket'), text('name')],
  flags: ['readonly'],
  errors: [...BUCKET_ERRORS, 'NOSUCHINDEX'],
  reply: mapOf(bulk, oneOf(taskReply, buildReply)),
  example: [...INDEXED_EXAMPLE, 'BUCKET.INDEX TASKS people by-age'],
  notes: [
    'Kinds: `BOUNDARY` and `BUILD` of an index that is built, `DROP`, `ANALYZE`. Status: ' +
      '`WAITING`, `RUNNING`, `COMPLETED`, `FAILED` or `STOPPED`. Tasks that have ended are ' +
      'deleted after a while.',
    'A `BUILD` has the `_id`s that it goes over, and the last one that is done, in hexadecimal; ' +
      'empty where there is none.',
  ],
  run: (ctx, { bucket: name, name: indexName }) =>
    inBucket(ctx, name, async (tx, bucket) => {
      const found = await ctx.services.indexTasks.list(
        tx,
        bucket,
        requireIndex(bucket, indexName).id,
      )
      return found.map(task => [stampText(task.id), taskDescription(task)] as const)
    }),
})

const analyze = subcommand({
  name: 'ANALYZE',
  complexity: 'O(1); all keys of the index are read in the background',
  summary: 'Makes statistics of an index, from which the planner estimates.',
  args: [text('bucket'), text('name')],
  flags: ['write'],
  errors: [...BUCKET_ERRORS, 'NOSUCHINDEX'],
  reply: ok,
  example: [...INDEXED_EXAMPLE, 'BUCKET.INDEX ANALYZE people by-age'],
  notes: [
    'Statistics change which index is chosen, never what is found. They come from a sample of ' +
      '1,000 entries, and are what they are until the index is analyzed again.',
    'Members learn of new statistics within 15 s of use; the plans that they have are made again.',
  ],
  run: (ctx, { bucket, name }) =>
    changing(ctx, bucket, (tx, change) => analyzeIndex(tx, change, name)),
})

const verify = subcommand({
  name: 'VERIFY',
  complexity: 'O(n) in the number of documents and entries, all of which are read',
  summary: 'Checks that the indexes of a bucket are what its documents say.',
  args: [text('bucket')],
  flags: ['readonly'],
  errors: [...BUCKET_ERRORS, 'REJECT'],
  reply: map({ documents: integer, entries: integer, errors: array(bulk) }),
  example: [
    ...PEOPLE_EXAMPLE.filter(line => !line.startsWith('BUCKET.')),
    ...INDEXED_EXAMPLE,
    ...PEOPLE_EXAMPLE.filter(line => line.startsWith('BUCKET.INSERT')),
    'BUCKET.INDEX VERIFY people',
  ],
  notes: [
    'Each document must have its entries in every `READY` index, and no others: with its value, ' +
      'and pointing at it. An index that is being built may lack some. A value of a unique index ' +
      'must be one document’s. The counters must be those of `DESCRIBE`.',
    'It works in transactions of a bounded size and may run beside writers: a document and its ' +
      'entries are read at one moment. A counter is not checked when the entries cannot be ' +
      'counted within 3 s.',
    'Documents and entries that were checked are counted; of the errors the first 100 are given. ' +
      'All shards of the bucket must be served by this member.',
  ],
  run: async ({ services, session }, { bucket: name }) => {
    const { store, volumes, documents } = services
    const namespace = await services.namespaces.resolve(session.namespace)
    return verifyBucket({ store, documents, context: volumes.scanContext }, { namespace, name })
  },
})

export const bucketIndex = command({
  name: 'BUCKET.INDEX',
  group: 'bucket',
  since: '0.1.0',
  summary: 'Makes, describes, drops, analyzes and verifies the indexes of a bucket.',
  port: 'client',
  texts: { arity: () => 'wrong number of parameters' },
  subcommands: [create, list, describe, drop, tasks, analyze, verify],
})

function description(index: IndexDefinition, entries: bigint) {
  const { id, kind, fields, status, unique, collation } = index
  const shared = {
    status,
    unique,
    collation:
      collation === null
        ? typed(noCollation, {})
        : typed(collationReply, collationFields(collation)),
    statistics: { cardinality: entries },
  }
  const shown = fields.map(({ selector, type }) => ({ selector, bson_type: type }))
  return kind === 'single'
    ? typed(singleReply, { index_type: 'single_field', id, ...shown[0]!, ...shared })
    : typed(compoundReply, { index_type: 'compound', id, fields: shown, ...shared })
}

function taskDescription({ kind, status, error, build }: IndexTask) {
  if (build === undefined) return typed(taskReply, { kind, status, error })
  const [cursor, lower, upper] = [build.cursor, build.lower, build.upper].map(hexOf)
  return typed(buildReply, {
    kind,
    cursor: cursor!,
    lower: lower!,
    upper: upper!,
    status,
    error,
  })
}

function hexOf(id: Buffer | null): string {
  return id?.toString('hex') ?? ''
}
