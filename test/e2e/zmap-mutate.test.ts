/** ZMUTATE: the table of the contract, versionstamps, and what conflicts with it. */
import * as assert from 'uvu/assert'
import { bytesOf, elementsOf, encodeRequest, type RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { alsoOn, bulk, error, exchangeAll, inBothProtocols, none, OK } from '../support/zmap.js'

const suite = serverSuite('zmap mutate')
const { server, test } = suite

const INVALID_CALL = error('CLIENT_INVALID_OPERATION Invalid API call')
const UNREADABLE = error('ACCESSED_UNREADABLE Read or wrote an unreadable key')
const STAMP_BYTES = 10

/** Each row: the type, the old value (absent: undefined), the param, and what is there then. */
type Row = readonly [type: string, old: string | undefined, param: string, now: string | undefined]

const FULL = 'x'.repeat(100_000)

const ROWS: readonly Row[] = [
  ['ADD', '\x01\x00', '\x02\x00', '\x03\x00'],
  ['ADD', '\xff\xff', '\x01\x00', '\x00\x00'],
  ['ADD', '\xff', '\x01\x00', '\x00\x01'],
  ['ADD', '\x05\x06\x07', '\x01', '\x06'],
  ['ADD', undefined, '\x07\x08', '\x07\x08'],
  ['ADD', '', '\x07', '\x07'],
  ['BIT_AND', '\x06\xff', '\x03', '\x02'],
  ['BIT_AND', '\x06', '\x03\xff', '\x02\x00'],
  ['BIT_AND', undefined, '\x03', '\x03'],
  ['BIT_OR', '\x04\x04', '\x01', '\x05'],
  ['BIT_OR', '\x04', '\x01\x02', '\x05\x02'],
  ['BIT_OR', undefined, '\x01', '\x01'],
  ['BIT_XOR', '\x05\x05', '\x01', '\x04'],
  ['BIT_XOR', '\x05', '\x01\x02', '\x04\x02'],
  ['BIT_XOR', undefined, '\x01', '\x01'],
  ['MAX', '\x00\x01', '\xff\x00', '\x00\x01'],
  ['MAX', '\xff\x00', '\x00\x01', '\x00\x01'],
  ['MAX', '\x09', '\x08\x00', '\x09\x00'],
  ['MAX', '\x01\x09', '\x02', '\x02'],
  ['MAX', undefined, '\x00\x00', '\x00\x00'],
  ['MIN', '\x00\x01', '\xff\x00', '\xff\x00'],
  ['MIN', '\x09', '\x08\x00', '\x08\x00'],
  ['MIN', '\x01\x09', '\x02', '\x01'],
  ['MIN', undefined, '\x09', '\x09'],
  ['BYTE_MAX', 'ab', 'b', 'b'],
  ['BYTE_MAX', 'ab', 'abc', 'abc'],
  ['BYTE_MAX', 'b', 'abc', 'b'],
  ['BYTE_MAX', '', '', ''],
  ['BYTE_MAX', undefined, '', ''],
  ['BYTE_MAX', undefined, 'b', 'b'],
  ['BYTE_MIN', 'ab', 'b', 'ab'],
  ['BYTE_MIN', 'ab', 'a', 'a'],
  ['BYTE_MIN', 'ab', '', ''],
  ['BYTE_MIN', undefined, 'b', 'b'],
  ['APPEND_IF_FITS', 'ab', 'cd', 'abcd'],
  ['APPEND_IF_FITS', 'ab', '', 'ab'],
  ['APPEND_IF_FITS', undefined, '', ''],
  ['APPEND_IF_FITS', undefined, 'ab', 'ab'],
  ['APPEND_IF_FITS', FULL, 'y', FULL],
  ['APPEND_IF_FITS', FULL.slice(1), 'y', `${FULL.slice(1)}y`],
  ['APPEND_IF_FITS', FULL.slice(1), 'yy', FULL.slice(1)],
  ['COMPARE_AND_CLEAR', 'ab', 'ab', undefined],
  ['COMPARE_AND_CLEAR', 'ab', 'a', 'ab'],
  ['COMPARE_AND_CLEAR', 'ab', 'ab\x00', 'ab'],
  ['COMPARE_AND_CLEAR', '', '', undefined],
  ['COMPARE_AND_CLEAR', undefined, '', undefined],
  ['COMPARE_AND_CLEAR', undefined, 'ab', undefined],
  ...['ADD', 'BIT_AND', 'BIT_OR', 'BIT_XOR', 'MAX', 'MIN'].flatMap((type): Row[] => [
    [type, 'ab', '', ''],
    [type, undefined, '', ''],
  ]),
]

const latin1 = (text: string) => Buffer.from(text, 'latin1')

inBothProtocols(suite, 'does what the table says', async (client, protocol) => {
  for (const [type, old, param, now] of ROWS) {
    const prepare = old === undefined ? ['ZDEL', 'k'] : ['ZSET', 'k', latin1(old)]
    const reply = now === undefined ? none(protocol) : bulk(now)
    await client.exchange(prepare, OK)
    await client.exchange(['ZMUTATE', 'k', latin1(param), type], OK)
    client.send('ZGET', 'k')
    const what = JSON.stringify([type, old, param].map(text => text?.slice(0, 20)))
    assert.is(await client.readBytes(reply.length), reply, what)
    // The same, seen by the transaction that does it.
    await client.exchange(['BEGIN'], OK)
    await client.exchange(prepare, OK)
    await client.exchange(['ZMUTATE', 'k', latin1(param), type.toLowerCase()], OK)
    client.send('ZGET', 'k')
    assert.is(await client.readBytes(reply.length), reply, `${what} in a transaction`)
    await client.exchange(['ROLLBACK'], OK)
  }
})

inBothProtocols(suite, 'refuses wrong arguments', async (client, protocol) => {
  const arity = error("ERR wrong number of arguments for 'ZMUTATE' command")
  await exchangeAll(client, [
    ['ZMUTATE k 1', arity],
    ['ZMUTATE k 1 ADD 2', arity],
    ['ZMUTATE k 1 Plus', error("ERR invalid mutation type: 'Plus'")],
    ['ZMUTATE k 1 ', error("ERR invalid mutation type: ''")],
  ])
  const long = 'VALUE_TOO_LARGE Value length exceeds limit'
  await client.exchange(['ZMUTATE', 'k', `${FULL}y`, 'APPEND_IF_FITS'], error(long))
  await client.exchange(['ZGET', 'k'], none(protocol))
})

/** `body ‖ offset`, as the commands want it. */
function stamped(body: string, offset: number): Buffer {
  const bytes = Buffer.alloc(body.length + 4)
  bytes.write(body, 'latin1')
  bytes.writeUInt32LE(offset, body.length)
  return bytes
}

const ROOM = '0123456789'

inBothProtocols(suite, 'stamps a value', async client => {
  await client.exchange(['BEGIN'], OK)
  await client.exchange(['ZMUTATE', 'k', stamped(`<${ROOM}>`, 1), 'SET_VERSIONSTAMPED_VALUE'], OK)
  await client.exchange(['ZGET', 'k'], UNREADABLE)
  const stamp = await client.callBytes('COMMIT', 'RETURNING', 'versionstamp')
  assert.is(stamp.length, STAMP_BYTES)
  await client.exchange(['ZGET', 'k'], bulk(Buffer.concat([latin1('<'), stamp, latin1('>')])))
  // One-off, at either end of the body; later stamps are larger.
  await client.exchange(['ZMUTATE', 'k', stamped(ROOM, 0), 'set_versionstamped_value'], OK)
  const later = await client.callBytes('ZGET', 'k')
  assert.is(later.length, STAMP_BYTES)
  assert.is(later.compare(stamp), 1)
})

inBothProtocols(suite, 'refuses a stamp that does not fit', async (client, protocol) => {
  const wrong = [latin1(''), latin1('abc'), stamped('', 0), stamped('123456789', 0)]
  for (const bytes of [...wrong, stamped(ROOM, 1), stamped(ROOM, 0xffffffff), latin1(ROOM)]) {
    await client.exchange(['ZMUTATE', 'k', bytes, 'SET_VERSIONSTAMPED_VALUE'], INVALID_CALL)
    await client.exchange(['ZMUTATE', bytes, 'v', 'SET_VERSIONSTAMPED_KEY'], INVALID_CALL)
  }
  await client.exchange(['ZGETKEY', ''], none(protocol))
})

/** Keys of the whole map. */
async function keysOf(client: RespClient): Promise<Buffer[]> {
  const pairs = elementsOf(await client.frame('ZGETRANGE', '*', '*', 'LIMIT', '0'))
  return pairs.map(pair => bytesOf(elementsOf(pair)[0]!))
}

inBothProtocols(suite, 'stamps a key', async client => {
  const template = (offset: number, before: string, behind: string) =>
    stamped(`${before}${ROOM}${behind}`, offset)
  await client.exchange(['ZSET', 'job:', 'first'], OK)
  await client.exchange(['ZSET', latin1('job:\xff'), 'last'], OK)
  await client.exchange(['BEGIN'], OK)
  const words = ['ZMUTATE', template(4, 'job:', '/a'), 'v', 'SET_VERSIONSTAMPED_KEY']
  await client.exchange(words, OK)
  await client.exchange(['ZGETRANGE', 'job:', 'job;'], UNREADABLE)
  const stamp = await client.callBytes('COMMIT', 'RETURNING', 'versionstamp')
  const key = Buffer.concat([latin1('job:'), stamp, latin1('/a')])
  await client.exchange(['ZGET', key], bulk('v'))
  await client.exchange(['ZGETKEY', 'job:', 'KEY_SELECTOR', 'FIRST_GREATER_THAN'], bulk(key))
  const range = `*1\r\n*2\r\n${bulk(key)}${bulk('v')}`
  await client.exchange(['ZGETRANGE', 'job:\0', latin1('job:\xff')], range)
  assert.equal(await keysOf(client), [latin1('job:'), key, latin1('job:\xff')])
  await client.exchange(['ZDEL', key], OK)
  await client.exchange(['ZDELRANGE', '*', '*'], OK)
})

test('stamped keys are in the order of their commits, whatever bytes the stamps have', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'queue')
  await client.call('NAMESPACE', 'USE', 'queue')
  const count = 600
  const request = ['ZMUTATE', stamped(ROOM, 0), 'one', 'SET_VERSIONSTAMPED_KEY'] as const
  for (let i = 0; i < count; i++) client.send(...request)
  await client.expect(OK.repeat(count))
  const keys = await keysOf(client)
  assert.is(keys.length, count)
  // Without zero bytes this would show nothing.
  assert.ok(keys.some(key => key.includes(0)))
  for (const [index, key] of keys.entries()) {
    assert.is(key.length, STAMP_BYTES)
    if (index > 0) assert.is(keys[index - 1]!.compare(key), -1)
    assert.equal(await client.call('ZGET', key), 'one')
  }
  await client.call('ZDELRANGE', keys[10]!, keys[590]!)
  assert.equal(await keysOf(client), [...keys.slice(0, 10), ...keys.slice(590)])
})

test('stamped writes of one pipeline have a stamp each', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'pipelined')
  await client.call('NAMESPACE', 'USE', 'pipelined')
  const requests = ['a', 'b', 'c'].flatMap(key => [
    ['ZSET', `${key}1`, 'v'],
    ['ZMUTATE', key, stamped(ROOM, 0), 'SET_VERSIONSTAMPED_VALUE'],
    ['ZSET', `${key}2`, 'v'],
  ])
  client.write(Buffer.concat(requests.map(encodeRequest)))
  await client.expect(OK.repeat(requests.length))
  const stamps = [
    await client.callBytes('ZGET', 'a'),
    await client.callBytes('ZGET', 'b'),
    await client.callBytes('ZGET', 'c'),
  ]
  assert.is(stamps[0]!.compare(stamps[1]!), -1)
  assert.is(stamps[1]!.compare(stamps[2]!), -1)
})

test('mutations and blind writes never conflict, and all are applied', async () => {
  const one = await server.connect()
  const other = await alsoOn(server, one)
  await exchangeAll(one, [
    ['ZSET k \x05', OK],
    ['BEGIN', OK],
    ['ZMUTATE k \x02 ADD', OK],
    ['ZINC.I64 n 1', OK],
    ['ZDEL gone', OK],
    ['ZDELRANGE x y', OK],
  ])
  await exchangeAll(other, [
    ['ZMUTATE k \x03 ADD', OK],
    ['ZINC.I64 n 10', OK],
    ['ZSET gone 1', OK],
    ['ZSET x1 1', OK],
  ])
  await exchangeAll(one, [
    ['COMMIT', OK],
    ['ZGET k', bulk('\x0a')],
    ['ZGET.I64 n', ':11\r\n'],
    ['ZGET gone', none(2)],
    ['ZGET x1', none(2)],
  ])
})

test.run()
