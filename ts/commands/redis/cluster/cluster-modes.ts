/** READONLY, READWRITE and ASKING: what clients of a Redis Cluster say of their connection. */

import { ok } from '../../../resp/reply.js'
import { command } from '../../../server/command.js'

export const readonly = command({
  name: 'READONLY',
  group: 'cluster',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Notes that a standby may serve the reads of this connection.',
  args: [],
  port: 'client',
  flags: ['redis', 'fast', 'sync'],
  reply: ok,
  example: ['READONLY'],
  notes: ['A standby answers MOVED all the same. CLIENT LIST shows the flag as `r`.'],
  run: ({ session }) => {
    session.allowsStandby = true
  },
})

export const readwrite = command({
  name: 'READWRITE',
  group: 'cluster',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Takes READONLY back.',
  args: [],
  port: 'client',
  flags: ['redis', 'fast', 'sync'],
  reply: ok,
  example: ['READWRITE'],
  run: ({ session }) => {
    session.allowsStandby = false
  },
})

export const asking = command({
  name: 'ASKING',
  group: 'cluster',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Accepted without effect: slots never move while they are served.',
  args: [],
  port: 'client',
  flags: ['redis', 'fast', 'sync'],
  reply: ok,
  example: ['ASKING'],
  run: () => {},
})
