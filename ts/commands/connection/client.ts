/** CLIENT: what a connection says about itself, and who is connected. */
import { err } from '../../error.js'
import { bulk, integer, nullable, ok } from '../../resp/reply.js'
import { bytes, command, keyword, redisTexts, subcommand } from '../../server/command.js'
import type { Session } from '../../server/context.js'
import { checkedLibrary, checkedName } from './client-name.js'

const setName = subcommand({
  name: 'SETNAME',
  complexity: 'O(1)',
  summary: 'Names the connection; an empty name clears it.',
  args: [bytes('name')],
  reply: ok,
  example: ['CLIENT SETNAME worker-1', 'CLIENT GETNAME', 'CLIENT SETNAME "two words"'],
  run: ({ session }, { name }) => {
    session.name = checkedName(name) || undefined
  },
})

const getName = subcommand({
  name: 'GETNAME',
  complexity: 'O(1)',
  summary: 'Answers the name of the connection.',
  args: [],
  reply: nullable(bulk),
  example: ['CLIENT GETNAME', 'CLIENT SETNAME worker-1', 'CLIENT GETNAME'],
  run: ({ session }) => session.name,
})

const id = subcommand({
  name: 'ID',
  complexity: 'O(1)',
  summary: 'Answers the id of the connection, unique in the process.',
  args: [],
  reply: integer,
  example: ['CLIENT ID'],
  run: ({ session }) => session.id,
})

const setInfo = subcommand({
  name: 'SETINFO',
  complexity: 'O(1)',
  summary: 'Tells the name or version of the client library.',
  args: [
    keyword('attribute', ['LIB-NAME', 'LIB-VER'], typed => err(`Unrecognized option '${typed}'`)),
    bytes('value'),
  ],
  reply: ok,
  example: ['CLIENT SETINFO LIB-NAME my-client', 'CLIENT SETINFO LIB-VER 1.2.3'],
  run: ({ session }, { attribute, value }) => {
    const text = checkedLibrary(value, attribute.toLowerCase()) || undefined
    if (attribute === 'LIB-NAME') session.libName = text
    else session.libVersion = text
  },
})

const info = subcommand({
  name: 'INFO',
  complexity: 'O(1)',
  summary: 'Describes the connection.',
  args: [],
  reply: bulk,
  example: ['CLIENT SETNAME worker-1', 'CLIENT INFO'],
  notes: ['One line, of the fields that CLIENT LIST has.'],
  run: ({ session }) => describe(session),
})

const list = subcommand({
  name: 'LIST',
  summary: 'Describes all connections, one line each.',
  complexity: 'O(N) with N the number of connections',
  args: [],
  reply: bulk,
  example: ['CLIENT LIST'],
  notes: [
    'One line for each connection, of fields `name=value`: `id`, `addr` and `laddr` (its ' +
      'two ends), `name`, `age` and `idle` in seconds, `flags` (`x` in MULTI, `r` after ' +
      'READONLY, else `N`), `db`, `multi` (queued requests, or -1), `cmd` (the command that runs ' +
      'or ran last), `resp` (the protocol), `port` (`client` or `admin`), `lib-name`, ' +
      '`lib-ver`.',
  ],
  run: ({ services }) => Array.from(services.sessions, describe).join(''),
})

const noEvict = subcommand({
  name: 'NO-EVICT',
  complexity: 'O(1)',
  summary: 'Accepted without effect: connections are never evicted.',
  args: [keyword('mode', ['ON', 'OFF'])],
  reply: ok,
  example: ['CLIENT NO-EVICT ON'],
  run: () => {},
})

const noTouch = subcommand({
  name: 'NO-TOUCH',
  complexity: 'O(1)',
  summary: 'Accepted without effect: keys have no access time.',
  args: [keyword('mode', ['ON', 'OFF'])],
  reply: ok,
  example: ['CLIENT NO-TOUCH ON'],
  run: () => {},
})

const reply = subcommand({
  name: 'REPLY',
  complexity: 'O(1)',
  summary: 'Accepts ON, the only mode.',
  args: [keyword('mode', ['ON'])],
  reply: ok,
  example: ['CLIENT REPLY ON'],
  run: () => {},
})

export const client = command({
  name: 'CLIENT',
  group: 'connection',
  since: '0.1.0',
  summary: 'Commands about connections.',
  port: 'both',
  flags: ['sync', 'uninitialized', 'queued'],
  texts: redisTexts,
  subcommands: [setName, getName, id, setInfo, info, list, noEvict, noTouch, reply],
})

/** One line of CLIENT LIST. */
function describe(session: Session): string {
  const now = Date.now()
  const fields = {
    id: session.id,
    addr: session.peer,
    laddr: session.local,
    name: session.name ?? '',
    age: seconds(now - session.createdAt),
    idle: seconds(now - session.lastActiveAt),
    flags: flagsOf(session),
    db: 0,
    multi: session.multi?.requests.length ?? -1,
    cmd: session.command?.path.join('|').toLowerCase() ?? 'NULL',
    resp: session.protocol,
    port: session.port,
    'lib-name': session.libName ?? '',
    'lib-ver': session.libVersion ?? '',
  }
  const words = Object.entries(fields).map(([field, value]) => `${field}=${value}`)
  return `${words.join(' ')}\n`
}

function flagsOf({ multi, allowsStandby }: Session): string {
  return `${multi === undefined ? '' : 'x'}${allowsStandby ? 'r' : ''}` || 'N'
}

function seconds(durationMs: number): number {
  return Math.max(0, Math.floor(durationMs / 1000))
}
