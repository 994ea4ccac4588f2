/** BUCKET.CREATE and BUCKET.LIST: buckets themselves. Each runs in a transaction of its own. */

import { randomUUID } from 'node:crypto'
import { err, RespError } from '../../error.js'
import { createBucket, listBuckets } from '../../query/buckets.js'
import { array, bulk, ok } from '../../resp/reply.js'
import { command, options, text } from '../../server/command.js'

interface CreateOptions {
  readonly shards: readonly number[]
  readonly ifNotExists: boolean
}

function parseCreateOptions(words: readonly Buffer[]): CreateOptions {
  const shards: number[] = []
  let ifNotExists = false
  let mode = ''
  for (const word of words) {
    const typed = word.toString('utf8')
    const upper = typed.toUpperCase()
    if (upper === 'IF-NOT-EXISTS') ifNotExists = true
    else if (upper === 'SHARDS') mode = upper
    else if (upper === 'INDEXES' || upper === 'COLLATION') {
      throw err(`'${upper}' is an unsupported argument`)
    } else if (mode === 'SHARDS') shards.push(parseShard(typed))
    else throw err(`Unknown '${typed}' argument`)
  }
  return { shards, ifNotExists }
}

function parseShard(typed: string): number {
  if (!/^\d{1,9}$/.test(typed)) throw err('value is not a int or out of range')
  return Number(typed)
}

/** Buckets made by this process, for placing them on its shards in turn. */
let createdCount = 0

export const bucketCreate = command({
  name: 'BUCKET.CREATE',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Creates a bucket in the current namespace.',
  args: [text('bucket'), options('options', '[SHARDS id [id …]] [IF-NOT-EXISTS]')],
  port: 'client',
  flags: ['write'],
  errors: ['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED', 'BUCKETALREADYEXISTS'],
  reply: ok,
  run: async (ctx, { bucket: name, options: words }) => {
    if (name === '') throw err('bucket name must not be empty')
    const { documents, namespaces, store, prefixRegistry } = ctx.services
    const { shards: requested, ifNotExists } = parseCreateOptions(words)
    const shards = documents.placeBucket(requested, createdCount)
    const namespace = await namespaces.resolve(ctx.session.namespace)
    try {
      const bucket = { name, uuid: randomUUID(), shards, registry: prefixRegistry }
      await store.transact(tx => createBucket(tx, namespace, bucket), { idempotent: true })
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
  run: async ctx => {
    const namespace = await ctx.services.namespaces.resolve(ctx.session.namespace)
    return ctx.services.store.transact(tx => listBuckets(tx, namespace))
  },
})
