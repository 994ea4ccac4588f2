import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, type Member, startMember } from '../harness.js'

let member: Member
let client: Client

test.before.each(async () => {
  member = await startMember()
  client = await member.connect()
})
test.after.each(() => member.close())

const ns = (...words: (string | Buffer)[]): Promise<unknown> => client.run('NAMESPACE', ...words)

test('creates, lists, finds and uses namespaces', async () => {
  assert.is(await ns('CREATE', 'plant.line-3.sensors'), 'OK')
  assert.equal(await ns('LIST', 'plant'), ['line-3'])
  assert.equal(await ns('LIST'), ['global', 'plant'])
  assert.equal(await ns('LIST', 'plant.line-3.sensors'), [])
  assert.is(await ns('EXISTS', 'plant.line-3'), 1)
  assert.is(await ns('EXISTS', 'plant.line-4'), 0)
  assert.is(await ns('CURRENT'), 'global')
  assert.is(await ns('USE', 'plant.line-3.sensors'), 'OK')
  assert.is(await ns('CURRENT'), 'plant.line-3.sensors')
})

test('keeps the current namespace when another cannot be used', async () => {
  assert.is(await ns('USE', 'nowhere'), 'NOSUCHNAMESPACE No such namespace: nowhere')
  assert.is(await ns('USE', 'a..b'), "ERR invalid namespace: 'a..b'")
  const reserved = "ERR Namespace 'a.__internal__' is reserved for internal use"
  assert.is(await ns('USE', 'a.__internal__'), reserved)
  assert.is(await ns('CURRENT'), 'global')
})

test('refuses wrong numbers of arguments and unknown subcommands', async () => {
  const arity = (path: string): string => `ERR wrong number of arguments for '${path}' command`
  assert.is(await ns(), arity('NAMESPACE'))
  assert.is(await ns(''), 'ERR invalid subcommand given')
  assert.is(await ns('  '), 'ERR invalid subcommand given')
  assert.is(await ns('foo'), "ERR unknown subcommand: 'FOO'")
  assert.is(await ns('CREATE'), arity('NAMESPACE CREATE'))
  assert.is(await ns('CREATE', 'a', 'b'), arity('NAMESPACE CREATE'))
  assert.is(await ns('USE'), arity('NAMESPACE USE'))
  assert.is(await ns('USE', 'a', 'b'), arity('NAMESPACE USE'))
  assert.is(await ns('CURRENT', 'a'), arity('NAMESPACE CURRENT'))
  assert.is(await ns('LIST', 'a', 'b'), arity('NAMESPACE LIST'))
  assert.is(await ns('EXISTS'), arity('NAMESPACE EXISTS'))
})

test('takes subcommands in any case, with blanks around them', async () => {
  assert.is(await ns(' create ', 'a'), 'OK')
  assert.is(await ns('Exists', 'a'), 1)
})

test('refuses a path that is not UTF-8', async () => {
  const path = Buffer.from('61ff', 'hex')
  assert.match(String(await ns('CREATE', path)), /^ERR invalid namespace: 'a/)
  assert.equal(await ns('LIST'), ['global'])
})

test('works outside the open transaction', async () => {
  await client.run('BEGIN')
  await client.run('ZGET', 'k')
  assert.is(await ns('CREATE', 'made.inside'), 'OK')
  assert.is(await ns('USE', 'made.inside'), 'OK')
  assert.is(await client.run('ZSET', 'k', 'v'), 'OK')
  assert.is(await client.run('ROLLBACK'), 'OK')
  assert.is(await ns('CURRENT'), 'made.inside')
  assert.is(await ns('EXISTS', 'made.inside'), 1)
  assert.is(await client.run('ZGET', 'k'), null)
})

test('keeps namespaces apart, parents and children too', async () => {
  await ns('CREATE', 'a.b')
  for (const path of ['global', 'a', 'a.b']) {
    await ns('USE', path)
    assert.is(await client.run('ZSET', 'k', `in ${path}`), 'OK')
  }
  for (const path of ['global', 'a', 'a.b']) {
    await ns('USE', path)
    assert.is(await client.run('ZGET', 'k'), `in ${path}`)
    assert.equal(await client.run('ZGETRANGE', '*', '*'), [['k', `in ${path}`]])
  }
})

test.run()
