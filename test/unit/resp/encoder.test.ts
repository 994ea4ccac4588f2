import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { err, RespError } from '../../../ts/error.js'
import { Encoder } from '../../../ts/resp/encoder.js'
import {
  any,
  array,
  binary,
  boolean,
  bulk,
  double,
  encoded,
  integer,
  map,
  mapOf,
  nullable,
  nullableArray,
  ok,
  oneOf,
  PackedBulks,
  pairs,
  type Reply,
  record,
  Status,
  simple,
  tuple,
  typed,
} from '../../../ts/resp/reply.js'
import { ReplyWriter } from '../../../ts/resp/writer.js'

function encode<T>(reply: Reply<T>, data: T, protocol: 2 | 3): string {
  const out = new ReplyWriter(16)
  new Encoder(out).reply(reply.shape, data, protocol)
  return out.bytes.toString('utf8', 0, out.length)
}

/** Both protocols; the second text is left out where they agree. */
function check<T>(reply: Reply<T>, data: T, resp2: string, resp3 = resp2): void {
  assert.is(encode(reply, data, 2), resp2)
  assert.is(encode(reply, data, 3), resp3)
}

test('status, integers and bulks are the same in both protocols', () => {
  check(ok, 'ignored', '+OK\r\n')
  check(simple, 'two\r\nlines', '+two  lines\r\n')
  check(integer, 0, ':0\r\n')
  check(integer, -0, ':0\r\n')
  check(integer, -5, ':-5\r\n')
  check(integer, 1_000_000, ':1000000\r\n')
  check(integer, -9223372036854775808n, ':-9223372036854775808\r\n')
  check(bulk, '', '$0\r\n\r\n')
  check(bulk, 'grün', '$5\r\ngrün\r\n')
  check(bulk, `${'ä'.repeat(500)}`, `$1000\r\n${'ä'.repeat(500)}\r\n`)
  check(bulk, '\ud800', '$3\r\n\ufffd\r\n')
  check(bulk, Buffer.from('a\r\nb'), '$4\r\na\r\nb\r\n')
  check(encoded, ':7\r\n', ':7\r\n')
})

test('binary text is one byte for each code unit', () => {
  const out = new ReplyWriter(16)
  new Encoder(out).reply(binary.shape, 'ÿ\0', 2)
  assert.equal([...out.bytes.subarray(0, out.length)], [...Buffer.from('$2\r\nÿ\0\r\n', 'latin1')])
})

test('binary bytes are sent as they are', () => {
  check(binary, Buffer.from('a\r\nb'), '$4\r\na\r\nb\r\n')
})

test('null', () => {
  check(nullable(bulk), null, '$-1\r\n', '_\r\n')
  check(nullable(bulk), undefined, '$-1\r\n', '_\r\n')
  check(nullable(bulk), 'x', '$1\r\nx\r\n')
  check(nullableArray(array(bulk)), null, '*-1\r\n', '_\r\n')
})

test('doubles are the shortest decimal', () => {
  check(double, 10.5, '$4\r\n10.5\r\n', ',10.5\r\n')
  check(double, 9, '$1\r\n9\r\n', ',9\r\n')
  check(double, 1e21, '$5\r\n1e+21\r\n', ',1e+21\r\n')
  check(double, 0.1 + 0.2, '$19\r\n0.30000000000000004\r\n', ',0.30000000000000004\r\n')
  check(double, -0, '$2\r\n-0\r\n', ',-0\r\n')
  check(double, Number.NEGATIVE_INFINITY, '$4\r\n-inf\r\n', ',-inf\r\n')
})

test('booleans', () => {
  check(boolean, true, ':1\r\n', '#t\r\n')
  check(boolean, false, ':0\r\n', '#f\r\n')
})

test('arrays and tuples', () => {
  check(array(integer), [], '*0\r\n')
  check(array(array(bulk)), [['a'], []], '*2\r\n*1\r\n$1\r\na\r\n*0\r\n')
  check(tuple(bulk, integer), ['k', 1], '*2\r\n$1\r\nk\r\n:1\r\n')
})

test('packed bulks are an array of bulks', () => {
  const packed = new PackedBulks(Buffer.from('abcde'), Uint32Array.of(2, 2, 5))
  check(array(bulk), packed, '*3\r\n$2\r\nab\r\n$0\r\n\r\n$3\r\ncde\r\n')
})

test('maps are flat arrays in RESP2 and keep their order', () => {
  const reply = map({ b: integer, a: nullable(bulk) })
  check(
    reply,
    { a: null, b: 1 },
    '*4\r\n$1\r\nb\r\n:1\r\n$1\r\na\r\n$-1\r\n',
    ['%2\r\n$1\r\nb\r\n:1\r\n$1\r\na\r\n_\r\n'].join(''),
  )
  const entries = new Map([
    ['z', 1],
    ['y', 2],
  ])
  const flat = '$1\r\nz\r\n:1\r\n$1\r\ny\r\n:2\r\n'
  check(mapOf(bulk, integer), entries, `*4\r\n${flat}`, `%2\r\n${flat}`)
  check(mapOf(bulk, integer), [...entries], `*4\r\n${flat}`, `%2\r\n${flat}`)
})

test('records lose their keys in RESP2', () => {
  const reply = record({ cursor_id: integer, entries: array(bulk) })
  const resp3 = '%2\r\n$9\r\ncursor_id\r\n:1\r\n$7\r\nentries\r\n*1\r\n$1\r\nd\r\n'
  check(reply, { cursor_id: 1, entries: ['d'] }, '*2\r\n:1\r\n*1\r\n$1\r\nd\r\n', resp3)
})

test('pairs are nested in RESP3 and flat in RESP2', () => {
  check(
    pairs(bulk, integer),
    [['f', 1]],
    '*2\r\n$1\r\nf\r\n:1\r\n',
    '*1\r\n*2\r\n$1\r\nf\r\n:1\r\n',
  )
})

test('one of several types', () => {
  const reply = oneOf(ok, integer)
  check(reply, typed(integer, -1), ':-1\r\n')
  check(reply, typed(ok, undefined), '+OK\r\n')
})

test('dynamic data', () => {
  check(any, null, '$-1\r\n', '_\r\n')
  check(any, 'x', '$1\r\nx\r\n')
  check(any, 3, ':3\r\n')
  check(any, 3n, ':3\r\n')
  check(any, 1.5, '$3\r\n1.5\r\n', ',1.5\r\n')
  check(any, true, ':1\r\n', '#t\r\n')
  check(any, new Status('QUEUED'), '+QUEUED\r\n')
  check(any, typed(double, 2), '$1\r\n2\r\n', ',2\r\n')
  check(
    any,
    [err('no'), { a: [] }],
    '*2\r\n-ERR no\r\n*2\r\n$1\r\na\r\n*0\r\n',
    ['*2\r\n-ERR no\r\n%1\r\n$1\r\na\r\n*0\r\n'].join(''),
  )
  check(any, new Set(['x', 1]), '*2\r\n$1\r\nx\r\n:1\r\n', '~2\r\n$1\r\nx\r\n:1\r\n')
  check(any, new Set(), '*0\r\n', '~0\r\n')
  check(any, new Map([[1, new Map()]]), '*2\r\n:1\r\n*0\r\n', '%1\r\n:1\r\n%0\r\n')
})

test('errors stay on one line', () => {
  const out = new ReplyWriter(16)
  new Encoder(out).error(new RespError('WRONGTYPE', 'a\r\nb\nc'))
  assert.is(out.bytes.toString('utf8', 0, out.length), '-WRONGTYPE a  b c\r\n')
})

test('refuses a reply of 2 GiB, and takes the next', () => {
  const out = new ReplyWriter(16)
  assert.throws(
    () => out.ensure(2 ** 31),
    (error: Error) => error instanceof RespError,
  )
  out.latin1(':1\r\n')
  assert.is(out.bytes.toString('latin1', 0, out.length), ':1\r\n')
})

test('refuses data of another type', () => {
  const wrong: readonly (readonly [Reply<unknown>, unknown])[] = [
    [integer, 1.5],
    [integer, 2 ** 53],
    [integer, '1'],
    [bulk, 1],
    [bulk, undefined],
    [simple, undefined],
    [double, '1'],
    [boolean, 1],
    [array(bulk), 'x'],
    [tuple(bulk), []],
    [map({ a: bulk }), null],
    [oneOf(ok), 'OK'],
    [any, () => 1],
  ]
  for (const [reply, data] of wrong) assert.throws(() => encode(reply, data, 2), TypeError)
})

test.run()
