/** CLIENT: what a connection says about itself, and who is connected. */
import { err } from '../../error.js'
import { bulk, integer, nullable, ok } from '../../resp/reply.js'
import { bytes, command, keyword, redisTexts, subcommand } from '../../server/command.js'
import type { Session } from '../../server/context.js'
import { checkedLibrary, checkedName } from './client-name.js'

const setName = subcommand({
  name: 'SETNAME',
  summary: 'Names the connection; an empty name clears it.',
  args: [bytes('name')],
  reply: ok,
  run: ({ session }, { name }) => {
    session.name = checkedName(name) || undefined
  },
})

const getName = subcommand({
  name: 'GETNAME',
  summary: 'Answers the name of the connection.',
  args: [],
  reply: nullable(bulk),
  run: ({ session }) => session.name,
})

const id = subcommand({
  name: 'ID',
  summary: 'Answers the id of the connection, unique in the process.',
  args: [],
  reply: integer,
  run: ({ session }) => session.id,
})

const setInfo = subcommand({
  name: 'SETINFO',
  summary: 'Tells the name or version of the client library.',
  args: [
    keyword('attribute', ['LIB-NAME', 'LIB-VER'], typed => err(`Unrecognized option '${typed}'`)),
    bytes('value'),
  ],
  reply: ok,
  run: ({ session }, { attribute, value }) => {
    const text = checkedLibrary(value, attribute.toLowerCase()) || undefined
    if (attribute === 'LIB-NAME') session.libName = text
    else session.libVersion = text
  },
})

const info = subcommand({
  name: 'INFO',
  summary: 'Describes the connection.',
  args: [],
  reply: bulk,
  run: ({ session }) => describe(session),
})

const list = subcommand({
  name: 'LIST',
  summary: 'Describes all connections, one line each.',
  complexity: 'O(N) with N the number of connections',
  args: [],
  reply: bulk,
  run: ({ services }) => Array.from(services.sessions, describe).join(''),
})

const noEvict = subcommand({
  name: 'NO-EVICT',
  summary: 'Accepted without effect: connections are never evicted.',
  args: [keyword('mode', ['ON', 'OFF'])],
  reply: ok,
  run: () => {},
})

const noTouch = subcommand({
  name: 'NO-TOUCH',
  summary: 'Accepted without effect: keys have no access time.',
  args: [keyword('mode', ['ON', 'OFF'])],
  reply: ok,
  run: () => {},
})

const reply = subcommand({
  name: 'REPLY',
  summary: 'Accepts ON, the only mode.',
  args: [keyword('mode', ['ON'])],
  reply: ok,
  run: () => {},
})

export const client = command({
  name: 'CLIENT',
  group: 'connection',
  since: '0.1.0',
  summary: 'Commands about connections.',
  port: 'both',
  flags: ['sync', 'uninitialized'],
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
    db: 0,
    cmd: session.command?.path.join('|').toLowerCase() ?? 'NULL',
    resp: session.protocol,
    port: session.port,
    'lib-name': session.libName ?? '',
    'lib-ver': session.libVersion ?? '',
  }
  const words = Object.entries(fields).map(([field, value]) => `${field}=${value}`)
  return `${words.join(' ')}\n`
}

function seconds(durationMs: number): number {
  return Math.max(0, Math.floor(durationMs / 1000))
}
