/** AUTH, and the check of user and password that HELLO shares. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { err, RespError } from '../../error.js'
import { ok } from '../../resp/reply.js'
import { bytes, command, optional } from '../../server/command.js'
import type { Context } from '../../server/context.js'

const DEFAULT_USER = 'default'

export const auth = command({
  name: 'AUTH',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Logs the connection in.',
  args: [bytes('userOrPassword'), optional(bytes('password'))],
  port: 'both',
  flags: ['fast', 'sync', 'noauth', 'uninitialized', 'queued'],
  errors: ['WRONGPASS'],
  reply: ok,
  example: ['AUTH secret', 'AUTH ada secret'],
  notes: [
    'The first example is answered by a server that has no `auth.requirepass`, the ' +
      'second by one that has no user `ada` in `auth.users`.',
    'With one argument the user is `default`, whose password is `auth.requirepass`.',
    'A failed login leaves an earlier one as it was.',
  ],
  run: (ctx, { userOrPassword, password }) => {
    if (password !== undefined) {
      login(ctx, userOrPassword.toString(), password)
      return
    }
    if (ctx.services.config.auth.requirepass === undefined) {
      throw err(
        'AUTH <password> called without any password configured for the default user. ' +
          'Are you sure your configuration is correct?',
      )
    }
    login(ctx, DEFAULT_USER, userOrPassword)
  },
})

/** Logs the session in. @throws RespError WRONGPASS; an earlier login stays valid then */
export function login(ctx: Context, user: string, password: Buffer): void {
  const { requirepass, users } = ctx.services.config.auth
  const isDefault = user === DEFAULT_USER && requirepass !== undefined
  const isListed = users !== undefined && Object.hasOwn(users, user)
  const expected = isDefault ? requirepass : isListed ? users[user] : undefined
  if (expected === undefined || !isSame(password, expected)) {
    throw new RespError('WRONGPASS', 'invalid username-password pair or user is disabled.')
  }
  ctx.session.authenticated = true
}

/** Compares in a time that tells nothing about the password. */
function isSame(given: Buffer, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected))
}

function digest(text: Buffer | string): Buffer {
  return createHash('sha256').update(text).digest()
}
