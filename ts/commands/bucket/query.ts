/** BUCKET.QUERY, BUCKET.UPDATE, BUCKET.DELETE, and what goes on with their cursors. */

import { any, ok, oneOf, typed } from '../../resp/reply.js'
import { bytes, command, int32, options, text } from '../../server/command.js'
import {
  EXPLAIN_OPTIONS,
  type OptionName,
  parseQueryOptions,
  QUERY_OPTIONS,
  QUERY_SYNTAX,
} from './options.js'
import {
  cursorsSlot,
  makeCursor,
  nextBatch,
  openCursor,
  PEOPLE_EXAMPLE,
  parseCursorKind,
  queryReply,
  writeReply,
} from './shared.js'

/** A tree whose nodes have members of their own. */
const planReply = any

const BUCKET_ERRORS = [
  'NOSUCHNAMESPACE',
  'NAMESPACEBEINGREMOVED',
  'NOSUCHBUCKET',
  'BUCKETBEINGREMOVED',
  'CORRUPTED',
]

/** Words after bucket and filter: seven arguments at most in all. */
const DELETE_OPTION_WORDS_MAX = 5
/** Words after bucket, filter and update: ten arguments at most in all. */
const UPDATE_OPTION_WORDS_MAX = 7
const UPDATE_OPTIONS: readonly OptionName[] = ['SORTBY', 'LIMIT', 'COLLATION']

/** QUERY is another name of BUCKET.QUERY. */
const query = (name: 'BUCKET.QUERY' | 'QUERY', summary: string) =>
  command({
    name,
    group: 'bucket',
    since: '0.1.0',
    complexity: 'O(n) in the number of documents examined',
    summary,
    args: [text('bucket'), bytes('filter'), options('options', QUERY_SYNTAX)],
    port: 'client',
    flags: ['readonly'],
    errors: [...BUCKET_ERRORS, 'REJECT'],
    reply: queryReply,
    example: [...PEOPLE_EXAMPLE, `${name} people '{"age": {"$gte": 40}}'`],
    notes: [
      'A batch has as many documents as `LIMIT` says, 9,999 at most. Without it, or with 0, the ' +
        'session attribute `limit` counts.',
      'An empty batch is not the end: at most 50,000 documents are examined for one.',
    ],
    run: async (ctx, { bucket, filter, options: words }) => {
      const target = { bucket, filter, options: parseQueryOptions(words, QUERY_OPTIONS) }
      const cursor = await makeCursor(ctx, 'QUERY', target)
      const { cursorId, results } = await openCursor(ctx, cursor)
      return { cursor_id: cursorId, entries: results }
    },
  })

export const bucketQuery = query(
  'BUCKET.QUERY',
  'Returns documents that match a filter, and opens a cursor.',
)
export const plainQuery = query('QUERY', 'Does what BUCKET.QUERY does.')

export const bucketExplain = command({
  name: 'BUCKET.EXPLAIN',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(1), with ANALYZE that of BUCKET.QUERY',
  summary: 'Shows how a query would be executed.',
  args: [text('bucket'), bytes('filter'), options('options', `${QUERY_SYNTAX} [ANALYZE]`)],
  port: 'client',
  flags: ['readonly'],
  errors: [...BUCKET_ERRORS, 'REJECT'],
  reply: planReply,
  example: [
    ...PEOPLE_EXAMPLE,
    `BUCKET.EXPLAIN people '{"age": {"$gte": 40}}'`,
    `BUCKET.EXPLAIN people '{"_id": "665f0a3e0000000000000001"}'`,
  ],
  notes: [
    'Nothing is executed, no cursor is opened, and the plan is not remembered.',
    'With `ANALYZE` the first batch is read: `execution` says how many entries were examined, ' +
      'how many documents were read and returned, and how many microseconds planning took, ' +
      'reading, and sorting, projecting and encoding the results.',
    'Read in a transaction of its own, whatever transaction is open.',
  ],
  run: async (ctx, { bucket, filter, options: words }) => {
    const parsed = parseQueryOptions(words, EXPLAIN_OPTIONS)
    const cursor = await makeCursor(ctx, 'QUERY', { bucket, filter, options: parsed })
    const { store, documents } = ctx.services
    return store.transact(tx => documents.explain(tx, cursor, parsed.isAnalyzed))
  },
})

export const bucketUpdate = command({
  name: 'BUCKET.UPDATE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of documents examined',
  summary: 'Updates one batch of the documents that match a filter, and opens a cursor.',
  args: [
    text('bucket'),
    bytes('filter'),
    bytes('update'),
    {
      ...options('options', '[SORTBY field ASC|DESC] [LIMIT n] [COLLATION json]'),
      max: UPDATE_OPTION_WORDS_MAX,
    },
  ],
  port: 'client',
  flags: ['write'],
  errors: [...BUCKET_ERRORS, 'REJECT', 'DUPLICATEKEY', 'INDEXTYPE_MISMATCH'],
  reply: writeReply,
  example: [
    ...PEOPLE_EXAMPLE,
    `BUCKET.UPDATE people '{"name": "Ada"}' '{"$set": {"age": 37}}'`,
    `BUCKET.UPDATE people '{"_id": "665f0a3e0000000000000003"}' ` +
      `'{"$set": {"name": "Alan"}, "upsert": true}'`,
  ],
  notes: [
    'The ids are those of the documents that are others now. The rest of the matches is updated ' +
      'by BUCKET.ADVANCE.',
    'With `upsert`, a document is inserted if nothing matches: the equalities of the filter and ' +
      'what `$set` sets.',
  ],
  run: async (ctx, { bucket, filter, update, options: words }) => {
    const target = { bucket, filter, update, options: parseQueryOptions(words, UPDATE_OPTIONS) }
    const cursor = await makeCursor(ctx, 'UPDATE', target)
    const { cursorId, results } = await openCursor(ctx, cursor)
    return { cursor_id: cursorId, object_ids: results }
  },
})

export const bucketDelete = command({
  name: 'BUCKET.DELETE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of documents examined',
  summary: 'Deletes one batch of the documents that match a filter, and opens a cursor.',
  args: [
    text('bucket'),
    bytes('filter'),
    { ...options('options', '[LIMIT n] [COLLATION json]'), max: DELETE_OPTION_WORDS_MAX },
  ],
  port: 'client',
  flags: ['write'],
  errors: [...BUCKET_ERRORS, 'REJECT'],
  reply: writeReply,
  example: [...PEOPLE_EXAMPLE, `BUCKET.DELETE people '{"name": "Ada"}'`],
  notes: ['Batches are those of BUCKET.QUERY. The rest is deleted by BUCKET.ADVANCE.'],
  run: async (ctx, { bucket, filter, options: words }) => {
    const target = { bucket, filter, options: parseQueryOptions(words, ['LIMIT', 'COLLATION']) }
    const cursor = await makeCursor(ctx, 'DELETE', target)
    const { cursorId, results } = await openCursor(ctx, cursor)
    return { cursor_id: cursorId, object_ids: results }
  },
})

export const bucketAdvance = command({
  name: 'BUCKET.ADVANCE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of documents examined',
  summary: 'Goes on with a cursor: the next batch.',
  args: [text('operation'), int32('cursor-id')],
  port: 'client',
  flags: ['write'],
  errors: [...BUCKET_ERRORS, 'REJECT', 'DUPLICATEKEY', 'INDEXTYPE_MISMATCH'],
  reply: oneOf(queryReply, writeReply),
  example: [...PEOPLE_EXAMPLE, "BUCKET.QUERY people '{}' LIMIT 1", 'BUCKET.ADVANCE QUERY 1'],
  run: async (ctx, { operation, 'cursor-id': cursorId }) => {
    const kind = parseCursorKind(operation)
    const cursor = ctx.session.state(cursorsSlot).require(kind, cursorId)
    const results = await nextBatch(ctx, cursor)
    return kind === 'QUERY'
      ? typed(queryReply, { cursor_id: cursorId, entries: results })
      : typed(writeReply, { cursor_id: cursorId, object_ids: results })
  },
})

export const bucketClose = command({
  name: 'BUCKET.CLOSE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Closes a cursor.',
  args: [text('operation'), int32('cursor-id')],
  port: 'client',
  reply: ok,
  example: [
    'BUCKET.CREATE people',
    "BUCKET.QUERY people '{}'",
    'BUCKET.CLOSE QUERY 1',
    'BUCKET.CLOSE QUERY 1',
  ],
  run: (ctx, { operation, 'cursor-id': cursorId }) => {
    ctx.session.state(cursorsSlot).close(parseCursorKind(operation), cursorId)
  },
})
