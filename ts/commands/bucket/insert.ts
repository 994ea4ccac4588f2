/** BUCKET.INSERT */

import { err } from '../../error.js'
import { bucketKey, openBucket } from '../../query/buckets.js'
import { Insertion } from '../../query/insertion.js'
import { array, bulk, PackedBulks } from '../../resp/reply.js'
import { bytes, command, rest, text } from '../../server/command.js'
import type { Tx } from '../../store/tx.js'
import { PEOPLE_EXAMPLE } from './shared.js'

const ID_BYTES = 12

export const bucketInsert = command({
  name: 'BUCKET.INSERT',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of documents',
  summary: 'Inserts documents, all or none.',
  args: [text('bucket'), rest(bytes('words'), { syntax: 'DOCS document [document …]' })],
  port: 'client',
  flags: ['write'],
  errors: [
    'NOSUCHNAMESPACE',
    'NAMESPACEBEINGREMOVED',
    'NOSUCHBUCKET',
    'BUCKETBEINGREMOVED',
    'REJECT',
    'DUPLICATEKEY',
    'INDEXTYPE_MISMATCH',
  ],
  reply: array(bulk),
  example: PEOPLE_EXAMPLE,
  notes: [
    'Documents are BSON or JSON, as the session attribute `input_type` says. One without ' +
      '`_id` gets one.',
    'The ids are in the order of the documents: 12 bytes each, or 24 hexadecimal digits ' +
      'with `object_id_format` set to `hex`.',
  ],
  run: async (ctx, { bucket: name, words }) => {
    const { attributes, namespace: path } = ctx.session
    const { documents, namespaces } = ctx.services
    const [keyword, ...inputs] = words
    const typed = keyword?.toString('utf8') ?? ''
    if (typed.toUpperCase() !== 'DOCS') throw err(`Unknown '${typed}' argument`)
    if (inputs.length === 0) throw err('No documents provided')
    const namespace = await namespaces.resolve(path)
    const insertion = new Insertion(inputs, attributes.inputType === 'json')
    const write = async (tx: Tx): Promise<void> => {
      tx.guardCommit(namespace)
      await documents.insert(tx, await openBucket(tx, namespace, name), insertion)
    }
    await ctx.tx(write, { retryAt: () => bucketKey(namespace, name) })
    return formatIds(insertion.prepare().ids, attributes.objectIdFormat)
  },
})

function formatIds(ids: Buffer, format: 'bytes' | 'hex'): PackedBulks {
  const payload = format === 'hex' ? Buffer.from(ids.toString('hex'), 'latin1') : ids
  const count = ids.length / ID_BYTES
  const size = payload.length / count
  return new PackedBulks(
    payload,
    Uint32Array.from({ length: count }, (_, i) => (i + 1) * size),
  )
}
