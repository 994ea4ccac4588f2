/** HELLO: chooses the protocol, and may log in and name the connection on the way. */
import { err, RespError } from '../../error.js'
import { parseCanonicalInt64 } from '../../resp/numbers.js'
import { any, array, bulk, integer, map } from '../../resp/reply.js'
import { command, options } from '../../server/command.js'
import { checkedName } from './client-name.js'
import { login } from './login.js'

interface HelloOptions {
  user: string | undefined
  password: Buffer | undefined
  /** Empty clears the name. */
  name: string | undefined
}

export const hello = command({
  name: 'HELLO',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Switches the protocol and describes the server.',
  args: [options('words', '[protover [AUTH user password] [SETNAME name]]')],
  port: 'both',
  flags: ['fast', 'sync', 'noauth', 'uninitialized', 'queued'],
  errors: ['NOPROTO', 'WRONGPASS'],
  reply: map({
    server: bulk,
    version: bulk,
    proto: integer,
    id: integer,
    mode: bulk,
    role: bulk,
    modules: array(any),
  }),
  example: ['HELLO', 'HELLO 3 SETNAME worker-1', 'HELLO 4'],
  notes: [
    'Without arguments it reports the protocol and changes nothing.',
    'The reply is in the protocol that it switches to. When anything is refused, nothing changes.',
  ],
  run: (ctx, { words }) => {
    const { session } = ctx
    const [protover, ...tail] = words
    if (protover !== undefined) {
      // ORDER: everything is checked before anything changes.
      const protocol = parseProtocol(protover)
      const { user, password, name } = parseOptions(tail)
      if (user !== undefined && password !== undefined) login(ctx, user, password)
      if (name !== undefined) session.name = name === '' ? undefined : name
      session.protocol = protocol
    }
    return {
      server: 'Kronotop',
      version: ctx.services.version,
      proto: session.protocol,
      id: session.id,
      mode: 'cluster',
      role: 'master',
      modules: [],
    }
  },
})

function parseProtocol(word: Buffer): 2 | 3 {
  const version = parseCanonicalInt64(word.toString('latin1'))
  if (version === undefined) throw err('Protocol version is not an integer or out of range')
  if (version === 2n) return 2
  if (version === 3n) return 3
  throw new RespError('NOPROTO', 'unsupported protocol version')
}

function parseOptions(words: readonly Buffer[]): HelloOptions {
  const found: HelloOptions = { user: undefined, password: undefined, name: undefined }
  for (let i = 0; i < words.length; ) {
    const typed = words[i]!.toString()
    const [first, second] = [words[i + 1], words[i + 2]]
    const option = typed.toUpperCase()
    if (option === 'AUTH' && first !== undefined && second !== undefined) {
      found.user = first.toString()
      found.password = second
      i += 3
    } else if (option === 'SETNAME' && first !== undefined) {
      found.name = checkedName(first)
      i += 2
    } else {
      throw err(`Syntax error in HELLO option '${typed}'`)
    }
  }
  return found
}
