/**
 * NAMESPACE and its subcommands. Each works in a transaction of its own, whatever transaction is
 * open in the session; USE changes the session only.
 */
import { isUtf8 } from 'node:buffer'
import { err } from '../../error.js'
import { array, bulk, integer, ok } from '../../resp/reply.js'
import {
  bytes,
  command,
  kronotopTexts,
  optional,
  type Param,
  subcommand,
} from '../../server/command.js'

/** A path as typed. @throws RespError ERR when it is not UTF-8: two such paths could look alike */
function pathParam<const N extends string>(name: N): Param<N, string> {
  return {
    ...bytes(name),
    read: (frame, at) => {
      const typed = frame.bytes(at)
      if (!isUtf8(typed)) throw err(`invalid namespace: '${typed.toString()}'`)
      return typed.toString()
    },
  }
}

const path = pathParam('path')

const create = subcommand({
  name: 'CREATE',
  complexity: 'O(D) where D is the depth of the path',
  summary: 'Makes a namespace, and its parents where they are missing.',
  args: [path],
  flags: ['write'],
  errors: ['NAMESPACEALREADYEXISTS', 'NAMESPACEBEINGREMOVED', 'BARRIERNOTSATISFIED'],
  reply: ok,
  example: ['NAMESPACE CREATE shop.eu', 'NAMESPACE LIST', 'NAMESPACE CREATE shop.eu'],
  notes: [
    'A path is names joined by dots, ten at most.',
    'It is committed at once, whatever ' + 'transaction is open.',
  ],
  run: ({ services }, args) => services.namespaces.create(args.path),
})

const use = subcommand({
  name: 'USE',
  complexity: 'O(D) where D is the depth of the path',
  summary: 'Makes a namespace the current one of this session.',
  args: [path],
  flags: ['readonly'],
  errors: ['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED'],
  reply: ok,
  example: [
    'NAMESPACE CREATE shop',
    'NAMESPACE USE shop',
    'NAMESPACE CURRENT',
    'NAMESPACE USE nowhere',
  ],
  notes: [
    'Within a transaction the commands that follow work on the new namespace. ROLLBACK ' +
      'does not undo it.',
  ],
  run: async ({ services, session }, args) => {
    await services.namespaces.lookUp(args.path)
    session.namespace = args.path
  },
})

const current = subcommand({
  name: 'CURRENT',
  complexity: 'O(1)',
  summary: 'Answers the current namespace of this session, also when it is gone by now.',
  args: [],
  flags: ['readonly', 'fast'],
  reply: bulk,
  example: ['NAMESPACE CURRENT'],
  run: ({ session }) => session.namespace,
})

const list = subcommand({
  name: 'LIST',
  complexity: 'O(N) where N is the number of children',
  summary: 'Answers the names of the immediate children of a namespace, or of the top level.',
  args: [optional(path)],
  flags: ['readonly'],
  errors: ['NOSUCHNAMESPACE'],
  reply: array(bulk),
  example: [
    'NAMESPACE CREATE shop.eu',
    'NAMESPACE CREATE shop.us',
    'NAMESPACE LIST',
    'NAMESPACE LIST shop',
  ],
  run: ({ services }, args) => services.namespaces.list(args.path),
})

const exists = subcommand({
  name: 'EXISTS',
  complexity: 'O(D) where D is the depth of the path',
  summary: 'Answers 1 when a namespace exists, else 0.',
  args: [path],
  flags: ['readonly'],
  errors: ['NAMESPACEBEINGREMOVED'],
  reply: integer,
  example: ['NAMESPACE CREATE shop.eu', 'NAMESPACE EXISTS shop.eu', 'NAMESPACE EXISTS nowhere'],
  run: async ({ services }, args) => ((await services.namespaces.exists(args.path)) ? 1 : 0),
})

const move = subcommand({
  name: 'MOVE',
  complexity: 'O(D) where D is the depth of the paths',
  summary: 'Moves a namespace with all below it, and makes the parents that the new path misses.',
  args: [pathParam('old'), pathParam('new')],
  flags: ['write'],
  errors: [
    'NOSUCHNAMESPACE',
    'NAMESPACEBEINGREMOVED',
    'NAMESPACEALREADYEXISTS',
    'BARRIERNOTSATISFIED',
  ],
  reply: ok,
  example: [
    'NAMESPACE CREATE plant.line-3',
    'NAMESPACE MOVE plant.line-3 archive.line-3',
    'NAMESPACE LIST plant',
    'NAMESPACE LIST archive',
  ],
  notes: [
    'Sessions in the old path, or below it, are not switched: their next command answers ' +
      'NOSUCHNAMESPACE. The default namespace cannot be moved.',
    'Until all members know of the move, CREATE of the old path answers BARRIERNOTSATISFIED.',
  ],
  run: ({ services }, args) => services.namespaces.move(args.old, args.new),
})

const remove = subcommand({
  name: 'REMOVE',
  complexity: 'O(D) where D is the depth of the path',
  summary: 'Marks a namespace as removed, for good: it and all below it cannot be used any more.',
  args: [path],
  flags: ['write'],
  errors: ['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED', 'BARRIERNOTSATISFIED'],
  reply: ok,
  example: [
    'NAMESPACE CREATE trial',
    'NAMESPACE REMOVE trial',
    'NAMESPACE USE trial',
    'NAMESPACE EXISTS trial',
  ],
  notes: ['No command takes it back. The default namespace cannot be removed.'],
  run: ({ services }, args) => services.namespaces.remove(args.path),
})

const purge = subcommand({
  name: 'PURGE',
  complexity: 'O(N) where N is the number of namespaces below; up to 5 s for the other members',
  summary: 'Deletes a removed namespace and all below it, once all members know of the removal.',
  args: [path],
  flags: ['write'],
  errors: ['NOSUCHNAMESPACE', 'BARRIERNOTSATISFIED'],
  reply: ok,
  example: [
    'NAMESPACE CREATE draft',
    'NAMESPACE PURGE draft',
    'NAMESPACE REMOVE draft',
    'NAMESPACE PURGE draft',
    'NAMESPACE EXISTS draft',
  ],
  notes: ['Waits up to 5 s for the other members. The name is free afterwards.'],
  run: ({ services }, args) => services.namespaces.purge(args.path),
})

export const namespace = command({
  name: 'NAMESPACE',
  group: 'namespace',
  since: '0.1.0',
  summary: 'Makes, finds, chooses, moves and deletes namespaces.',
  port: 'client',
  texts: {
    unknown: typed => {
      const name = typed.trim().toUpperCase()
      return name === '' ? 'invalid subcommand given' : `unknown subcommand: '${name}'`
    },
    // MOVE without both paths is answered as NAMESPACE without a subcommand is.
    arity: (words, isTooFew) =>
      kronotopTexts.arity(isTooFew && words[1] === 'MOVE' ? ['NAMESPACE'] : words, isTooFew),
  },
  subcommands: [create, use, current, exists, list, move, remove, purge],
})
