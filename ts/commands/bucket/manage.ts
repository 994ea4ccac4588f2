/** BUCKET.CREATE, LIST, LOCATE, REMOVE and PURGE: buckets themselves. Each runs in transactions of
 *  its own, whatever transaction is open in the session. */

import { randomUUID } from 'node:crypto'
import { clientAddress } from '../../cluster/member.js'
import type { Topology } from '../../cluster/routes.js'
import { err, RespError } from '../../error.js'
import { createBucket, listBuckets, openBucket } from '../../query/buckets.js'
import { IndexIds, parseIndexSchema } from '../../query/indexes/index-schema.js'
import { parseCollation } from '../../query/language/collation.js'
import { parseInt32 } from '../../resp/numbers.js'
import { any, array, bulk, ok } from '../../resp/reply.js'
import { command, options, text } from '../../server/command.js'

const MODES: ReadonlySet<string> = new Set(['SHARDS', 'INDEXES', 'COLLATION', 'IF-NOT-EXISTS'])

const BUCKET_ERRORS = [
  'NOSUCHNAMESPACE',
  'NAMESPACEBEINGREMOVED',
  'NOSUCHBUCKET',
  'BUCKETBEINGREMOVED',
]

interface CreateOptions {
  readonly shards: readonly number[]
  /** JSON. */
  readonly indexes: Buffer | undefined
  /** JSON. */
  readonly collation: Buffer | undefined
  readonly ifNotExists: boolean
}

/** A keyword says what the words behind it are, up to the next keyword. */
function parseCreateOptions(words: readonly Buffer[]): CreateOptions {
  const shards: number[] = []
  const given = new Map<string, Buffer | undefined>()
  let mode = ''
  for (const word of words) {
    const typed = word.toString('utf8')
    const upper = typed.toUpperCase()
    if (MODES.has(upper)) {
      mode = upper
      if (!given.has(mode)) given.set(mode, undefined)
    } else if (mode === 'SHARDS') shards.push(parseShard(typed))
    else if (mode === 'INDEXES' || mode === 'COLLATION') given.set(mode, word)
    else throw err(`Unknown '${typed}' argument`)
  }
  const [indexes, collation] = [given.get('INDEXES'), given.get('COLLATION')]
  if (given.has('INDEXES') && indexes === undefined) {
    throw err('INDEXES argument must be followed by an index schema')
  }
  if (given.has('COLLATION') && collation === undefined) {
    throw err('COLLATION argument must be followed by a collation specification')
  }
  return { shards, indexes, collation, ifNotExists: given.has('IF-NOT-EXISTS') }
}

function parseShard(typed: string): number {
  const id = parseInt32(typed)
  if (id === undefined) throw err('value is not a int or out of range')
  return id
}

/** Buckets made by this process, for placing them on its shards in turn. */
let createdCount = 0

export const bucketCreate = command({
  name: 'BUCKET.CREATE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Creates a bucket in the current namespace.',
  args: [
    text('bucket'),
    options(
      'options',
      '[SHARDS id [id …]] [INDEXES schema] [COLLATION specification] [IF-NOT-EXISTS]',
    ),
  ],
  port: 'client',
  flags: ['write'],
  errors: ['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED', 'BUCKETALREADYEXISTS'],
  reply: ok,
  example: [
    `BUCKET.CREATE people INDEXES '{"age": {"bson_type": "int32"}}'`,
    'BUCKET.CREATE people',
    'BUCKET.CREATE people IF-NOT-EXISTS',
    `BUCKET.CREATE places COLLATION '{"locale": "en", "strength": 2}'`,
  ],
  notes: [
    'Not part of an open transaction: it is committed at once.',
    'Indexes are those of BUCKET.INDEX CREATE, and `READY` at once. The collation is that of ' +
      'strings where neither a command nor an index says another.',
    'With `IF-NOT-EXISTS` a bucket that exists stays as it is, whatever else is said. A removed ' +
      'bucket exists until it is purged.',
  ],
  run: async (ctx, { bucket: name, options: words }) => {
    if (name === '') throw err('bucket name must not be empty')
    const { documents, namespaces, store, prefixRegistry } = ctx.services
    const { shards: requested, indexes, collation: given, ifNotExists } = parseCreateOptions(words)
    const shards = documents.placeBucket(requested, createdCount)
    const collation = given === undefined ? null : parseCollation(given)
    const target = { existing: [], collation, status: 'READY', ids: new IndexIds() } as const
    const bucket = {
      ...{ name, uuid: randomUUID(), shards, registry: prefixRegistry, collation },
      indexes: () => (indexes === undefined ? [] : parseIndexSchema(indexes, target)),
    }
    try {
      await store.transact(
        async tx => createBucket(tx, await namespaces.resolve(ctx.session.namespace), bucket),
        { idempotent: true },
      )
      createdCount++
    } catch (error) {
      const exists = error instanceof RespError && error.prefix === 'BUCKETALREADYEXISTS'
      if (!exists || !ifNotExists) throw error
    }
  },
})

export const bucketList = command({
  name: 'BUCKET.LIST',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of buckets',
  summary: 'Lists the buckets of the current namespace.',
  args: [],
  port: 'client',
  flags: ['readonly'],
  errors: ['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED'],
  reply: array(bulk),
  example: ['BUCKET.CREATE people', 'BUCKET.CREATE places', 'BUCKET.LIST'],
  notes: ['Read in a transaction of its own, whatever transaction is open.'],
  run: async ctx => {
    const namespace = await ctx.services.namespaces.resolve(ctx.session.namespace)
    return ctx.services.store.transact(tx => listBuckets(tx, namespace))
  },
})

export const bucketLocate = command({
  name: 'BUCKET.LOCATE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of shards of the bucket',
  summary: 'Tells which members serve the shards of a bucket.',
  args: [text('bucket')],
  port: 'client',
  flags: ['readonly'],
  errors: BUCKET_ERRORS,
  reply: array(any),
  example: ['BUCKET.CREATE people', 'BUCKET.LOCATE people'],
  notes: [
    'Three items a shard, by shard id: the id, `host:port` of the primary, and an array of those ' +
      'of the standbys; addresses of client ports. A shard without a primary is left out.',
  ],
  run: async (ctx, { bucket: name }) => {
    const { cluster, namespaces, store } = ctx.services
    const namespace = await namespaces.resolve(ctx.session.namespace)
    const { shards } = await store.transact(tx => openBucket(tx, namespace, name))
    return shards.flatMap(shard => locationOf(cluster.topology, shard))
  },
})

export const bucketRemove = command({
  name: 'BUCKET.REMOVE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Marks a bucket as removed, for good: it cannot be used any more.',
  args: [text('bucket')],
  port: 'client',
  flags: ['write'],
  errors: BUCKET_ERRORS,
  reply: ok,
  example: ['BUCKET.CREATE people', 'BUCKET.REMOVE people', "BUCKET.QUERY people '{}'"],
  notes: [
    'No command takes it back. BUCKET.PURGE deletes the bucket; until then its name is taken.',
    'It is committed at once. A transaction that has worked on the bucket cannot be committed ' +
      'any more, unless it only read.',
  ],
  run: async (ctx, { bucket: name }) => {
    const { bucketRemoval, namespaces } = ctx.services
    const namespace = await namespaces.resolve(ctx.session.namespace)
    await bucketRemoval.remove({ namespace, name }, randomUUID())
  },
})

export const bucketPurge = command({
  name: 'BUCKET.PURGE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of documents; up to 5 s for the other members',
  summary: 'Deletes a removed bucket, once all members know of the removal.',
  args: [text('bucket')],
  port: 'client',
  flags: ['write'],
  errors: [
    'NOSUCHNAMESPACE',
    'NAMESPACEBEINGREMOVED',
    'NOSUCHBUCKET',
    'BARRIERNOTSATISFIED',
    'VOLUMEFAILED',
  ],
  reply: ok,
  example: [
    'BUCKET.CREATE people',
    'BUCKET.PURGE people',
    'BUCKET.REMOVE people',
    'BUCKET.PURGE people',
    'BUCKET.LIST',
  ],
  notes: [
    'Waits up to 5 s for the other members. The name is free afterwards.',
    'It goes over the documents in transactions of a bounded size; when it fails or is ' +
      'interrupted, it may be repeated.',
  ],
  run: async (ctx, { bucket: name }) => {
    const { bucketRemoval, namespaces } = ctx.services
    const namespace = await namespaces.resolve(ctx.session.namespace)
    await bucketRemoval.purge({ namespace, name })
  },
})

/** Shard id, address of the primary, and addresses of the standbys. */
function locationOf({ routes, members }: Topology, shard: number): (number | string | string[])[] {
  const route = routes.find(({ kind, id }) => kind === 'BUCKET' && id === shard)
  if (route === undefined || route.primaryAddress === '') return []
  const standbys = route.standbys.flatMap(standby => {
    const member = members.get(standby)
    return member === undefined ? [] : clientAddress(member)
  })
  return [shard, route.primaryAddress, standbys]
}
