/** VOLUME.ADMIN: the volumes that are open on this member, admin port only. */

import { err } from '../../error.js'
import { array, bulk, double, integer, map, mapOf } from '../../resp/reply.js'
import { command, options, rest, subcommand, text } from '../../server/command.js'

const list = subcommand({
  name: 'LIST',
  complexity: 'O(N) with N the number of volumes',
  summary: 'Lists the volumes that are open on this member.',
  flags: ['uninitialized'],
  args: [options('ignored', '')],
  reply: array(bulk),
  example: ['VOLUME.ADMIN LIST'],
  run: ctx => ctx.services.volumes.names(),
})

const describe = subcommand({
  name: 'DESCRIBE',
  complexity: 'O(N) with N the number of segments',
  summary: 'Describes one volume and its segments.',
  args: [rest(text('words'), { min: 0, syntax: 'volume' })],
  reply: map({
    name: bulk,
    status: bulk,
    data_dir: bulk,
    segment_size: integer,
    segments: mapOf(
      integer,
      map({
        size: integer,
        free_bytes: integer,
        used_bytes: integer,
        garbage_percentage: double,
        cardinality: integer,
      }),
    ),
  }),
  example: ['VOLUME.ADMIN DESCRIBE bucket-shard-0'],
  run: async (ctx, { words }) => {
    const [name] = words
    if (name === undefined || words.length > 1) throw err('invalid number of parameters')
    const volume = ctx.services.volumes.require(name)
    const segments = [...(await volume.describe())].map(
      ([id, segment]) =>
        [
          id,
          {
            size: segment.size,
            free_bytes: segment.freeBytes,
            used_bytes: segment.usedBytes,
            garbage_percentage: segment.garbagePercentage,
            cardinality: segment.cardinality,
          },
        ] as const,
    )
    return {
      name: volume.name,
      status: volume.status,
      data_dir: volume.directory,
      segment_size: volume.segmentSizeBytes,
      segments: new Map(segments),
    }
  },
})

export const volumeAdmin = command({
  name: 'VOLUME.ADMIN',
  group: 'volume',
  since: '0.1.0',
  summary: 'Administers volumes.',
  port: 'admin',
  subcommands: [list, describe],
})
