/** INFO: one bulk of sections, also in RESP3. */
import { arch, release, type } from 'node:os'
import { bulk } from '../../resp/reply.js'
import { command, rest, text } from '../../server/command.js'
import type { Context } from '../../server/context.js'

type Fields = Readonly<Record<string, string | number>>

/** Sections in the order in which they are sent. */
const SECTIONS: ReadonlyMap<string, (ctx: Context) => Fields> = new Map([
  ['Server', server],
  ['Clients', ({ services }) => ({ connected_clients: services.sessions.count })],
  ['Memory', memory],
  ['Persistence', () => ({ loading: 0 })],
  ['Replication', () => ({ role: 'master', master_repl_offset: 0 })],
  ['Cluster', () => ({ cluster_enabled: 1 })],
  ['Keyspace', keyspace],
])
const ALL_SECTIONS: ReadonlySet<string> = new Set(['all', 'default', 'everything'])

export const info = command({
  name: 'INFO',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Describes the server, by sections.',
  args: [rest(text('section'), { min: 0 })],
  port: 'both',
  flags: ['sync', 'uninitialized', 'queued'],
  reply: bulk,
  example: ['INFO persistence replication cluster'],
  notes: [
    'Sections are `server`, `clients`, `memory`, `persistence`, `replication`, `cluster` ' +
      'and `keyspace`; `all`, `default` and `everything` stand for all of them. An unknown ' +
      'one adds nothing to the reply.',
    'The reply is one bulk in RESP3 as well.',
  ],
  run: (ctx, { section }) => {
    const wanted = new Set(section.map(name => name.toLowerCase()))
    const isAll = wanted.size === 0 || [...wanted].some(name => ALL_SECTIONS.has(name))
    return [...SECTIONS]
      .filter(([title]) => isAll || wanted.has(title.toLowerCase()))
      .map(([title, fields]) => format(title, fields(ctx)))
      .join('\r\n')
  },
})

function format(title: string, fields: Fields): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}:${value}\r\n`)
  return `# ${title}\r\n${lines.join('')}`
}

function server({ services, session }: Context): Fields {
  return {
    kronotop_version: services.version,
    redis_version: '7.0.0',
    redis_mode: 'cluster',
    os: `${type()} ${release()} ${arch()}`,
    process_id: process.pid,
    tcp_port: session.local.slice(session.local.lastIndexOf(':') + 1),
    uptime_in_seconds: Math.floor(process.uptime()),
  }
}

function memory(): Fields {
  const { heapUsed, external, rss } = process.memoryUsage()
  return { used_memory: heapUsed + external, used_memory_rss: rss }
}

function keyspace({ services }: Context): Fields {
  const { keys, expires } = services.redis?.keyspace() ?? { keys: 0, expires: 0 }
  return keys === 0 ? {} : { db0: `keys=${keys},expires=${expires},avg_ttl=0` }
}
