/** ZSET, ZINC and ZGET of integers, doubles and decimals: replies byte for byte. */
import * as assert from 'uvu/assert'
import { serverSuite } from '../support/server-suite.js'
import { alsoOn, bulk, error, exchangeAll, inBothProtocols, none, OK } from '../support/zmap.js'

const suite = serverSuite('zmap numbers')
const { server, test } = suite

const NOT_LONG = error('ERR value is not a long or out of range')
const NOT_DOUBLE = error('ERR value is not a double or out of range')
const NOT_DECIMAL = error('ERR invalid decimal')
const I64_STORED = error("ERR Invalid stored value: expected 8-byte two's-complement int64")
const F64_STORED = error('ERR Invalid stored value: expected 8-byte IEEE-754 double')
const D128_STORED = error('ERR Invalid stored value: expected 16-byte Decimal128 (IEEE-754 BID)')
const D128_ODD = error('ERR Invalid stored value: Decimal128 is not representable as BigDecimal')

inBothProtocols(suite, 'runs the examples of the contract', async (client, protocol) => {
  await exchangeAll(client, [
    ['ZSET.I64 hits 40', OK],
    ['ZINC.I64 hits 2', OK],
    ['ZGET.I64 hits', ':42\r\n'],
    ['ZGET hits', bulk('*\0\0\0\0\0\0\0')],
    ['ZMUTATE hits \x2a\0\0\0\0\0\0\0 COMPARE_AND_CLEAR', OK],
    ['ZGET hits', none(protocol)],
    ['ZINC.D128 till 0.10', OK],
    ['ZINC.D128 till 0.20', OK],
    ['ZGET.D128 till', bulk('0.30')],
    ['ZSET.F64 r NaN', error('ERR Invalid value: must be a finite IEEE-754 double')],
    ['ZSET raw abc', OK],
    ['ZGET.I64 raw', I64_STORED],
    ['ZGETKEY till KEY_SELECTOR LAST_LESS_THAN', bulk('raw')],
    ['ZGETKEY raw KEY_SELECTOR LAST_LESS_THAN', none(protocol)],
  ])
})

inBothProtocols(suite, 'keeps integers', async (client, protocol) => {
  await exchangeAll(client, [
    ['ZGET.I64 n', none(protocol)],
    ['ZINC.I64 n -5', OK],
    ['ZGET.I64 n', ':-5\r\n'],
    ['ZGET n', bulk('\xfb\xff\xff\xff\xff\xff\xff\xff')],
    ['ZSET.I64 n +007', OK],
    ['ZGET.I64 n', ':7\r\n'],
    ['ZSET.I64 n 9223372036854775807', OK],
    ['ZGET.I64 n', ':9223372036854775807\r\n'],
    ['ZINC.I64 n 1', OK],
    ['ZGET.I64 n', ':-9223372036854775808\r\n'],
    ['ZINC.I64 n -1', OK],
    ['ZGET.I64 n', ':9223372036854775807\r\n'],
    ['ZSET.I64 n -9223372036854775808', OK],
    ['zget.i64 n', ':-9223372036854775808\r\n'],
    // Another length is cut, or extended, to 8 bytes.
    ['ZSET short \x05', OK],
    ['ZGET.I64 short', I64_STORED],
    ['ZINC.I64 short 1', OK],
    ['ZGET.I64 short', ':6\r\n'],
    ['ZSET long \x01\0\0\0\0\0\0\0\x09', OK],
    ['ZGET.I64 long', I64_STORED],
    ['ZINC.I64 long 1', OK],
    ['ZGET.I64 long', ':2\r\n'],
  ])
  for (const wrong of ['', '1.0', '1e3', ' 1', '9223372036854775808', '--1', 'x', '٣']) {
    await client.exchange(['ZSET.I64', 'n', wrong], NOT_LONG)
    await client.exchange(['ZINC.I64', 'n', wrong], NOT_LONG)
  }
  await client.exchange(['ZGET.I64', 'n'], ':-9223372036854775808\r\n')
})

inBothProtocols(suite, 'keeps doubles', async (client, protocol) => {
  const double = (text: string) => (protocol === 3 ? `,${text}\r\n` : bulk(text))
  const kept: readonly (readonly [typed: string, shown: string])[] = [
    ['1.5', '1.5'],
    ['10', '10'],
    ['+.5', '0.5'],
    ['5.', '5'],
    ['-5.e-1', '-0.5'],
    ['1E21', '1e+21'],
    ['-0', '0'],
    ['-0.0e5', '0'],
    ['5e-324', '5e-324'],
    ['1e-400', '0'],
    ['-1e-400', '0'],
    ['1.7976931348623157e308', '1.7976931348623157e+308'],
    ['0.1000000000000000055511151231257827', '0.1'],
    ['007', '7'],
  ]
  await client.exchange(['ZGET.F64', 'x'], none(protocol))
  for (const [typed, shown] of kept) {
    await client.exchange(['ZSET.F64', 'x', typed], OK)
    await client.exchange(['ZGET.F64', 'x'], double(shown))
  }
  await exchangeAll(client, [
    ['ZSET.F64 x -0', OK],
    ['ZGET x', bulk('\0\0\0\0\0\0\0\0')],
    ['ZSET.F64 x 1.5', OK],
    ['ZGET x', bulk('\0\0\0\0\0\0\xf8\x3f')],
    ['ZINC.F64 x .25', OK],
    ['ZINC.F64 x -1', OK],
    ['ZGET.F64 x', double('0.75')],
    ['ZINC.F64 sum 0.1', OK],
    ['ZINC.F64 sum 0.2', OK],
    ['ZGET.F64 sum', double('0.30000000000000004')],
    ['ZINC.F64 zero -0', OK],
    ['ZGET zero', bulk('\0\0\0\0\0\0\0\0')],
    // Any 8 bytes are read.
    ['ZSET raw \0\0\0\0\0\0\xf0\x7f', OK],
    ['ZGET.F64 raw', double('inf')],
    ['ZSET raw \0\0\0\0\0\0\0\x80', OK],
    ['ZGET.F64 raw', double('-0')],
    ['ZINC.F64 raw -0', OK],
    ['ZGET.F64 raw', double('0')],
  ])
})

inBothProtocols(suite, 'refuses what is no finite double', async (client, protocol) => {
  const value = error('ERR Invalid value: must be a finite IEEE-754 double')
  const delta = error('ERR Invalid delta: value must be a finite IEEE-754 double')
  const sum = error(
    'ERR Resulting value is not a finite IEEE-754 double (overflow or invalid operation)',
  )
  for (const infinite of ['NaN', 'Infinity', '+Infinity', '-Infinity', '1e400', '-1e309']) {
    await client.exchange(['ZSET.F64', 'x', infinite], value)
    await client.exchange(['ZINC.F64', 'x', infinite], delta)
  }
  for (const wrong of ['', '.', 'e5', '1e', '1d', '0x1', ' 1', '1 ', 'nan', 'inf', '1_0', '--1']) {
    await client.exchange(['ZSET.F64', 'x', wrong], NOT_DOUBLE)
    await client.exchange(['ZINC.F64', 'x', wrong], NOT_DOUBLE)
  }
  // A text of this length must not take quadratic time.
  await client.exchange(['ZSET.F64', 'x', `${'1'.repeat(60_000)}x`], NOT_DOUBLE)
  await client.exchange(['ZSET.F64', 'x', '1'.repeat(5_000_000)], NOT_DOUBLE)
  await client.exchange(['ZGET', 'x'], none(protocol))
  await exchangeAll(client, [
    ['ZSET.F64 x 1.7976931348623157e308', OK],
    ['ZINC.F64 x 1e308', sum],
    ['ZINC.F64 x -1.7976931348623157e308', OK],
    ['ZGET x', bulk('\0\0\0\0\0\0\0\0')],
    ['ZSET raw 1234567', OK],
    ['ZGET.F64 raw', F64_STORED],
    ['ZINC.F64 raw 1', F64_STORED],
    ['ZINC.F64 raw NaN', delta],
    ['ZGET raw', bulk('1234567')],
  ])
  await client.exchange(['ZSET', 'raw', Buffer.from('000000000000f87f', 'hex')], OK)
  await client.exchange(['ZINC.F64', 'raw', '1'], sum)
})

inBothProtocols(suite, 'keeps decimals and their scale', async (client, protocol) => {
  const kept: readonly (readonly [typed: string, shown: string])[] = [
    ['19.90', '19.90'],
    ['-19.90', '-19.90'],
    ['+.5', '0.5'],
    ['5.', '5'],
    ['007', '7'],
    ['0', '0'],
    ['-0', '0'],
    ['-0.00', '0.00'],
    ['0e5', '0'],
    ['1.5E+10', '15000000000'],
    ['1.5e-3', '0.0015'],
    ['1234567890123456789012345678901234', '1234567890123456789012345678901234'],
    ['1234567890123456789012345678901234000', '1234567890123456789012345678901234000'],
    ['0.12345678901234567890123456789012340', '0.1234567890123456789012345678901234'],
    [`1${'0'.repeat(6144)}`, `1${'0'.repeat(6144)}`],
    ['9.999999999999999999999999999999999E+6144', `${'9'.repeat(34)}${'0'.repeat(6111)}`],
    ['1E-6176', `0.${'0'.repeat(6175)}1`],
    ['10E-6177', `0.${'0'.repeat(6175)}1`],
    ['0E-999999999999999999999', `0.${'0'.repeat(6176)}`],
    ['0E+999999999999999999999', '0'],
  ]
  await client.exchange(['ZGET.D128', 'd'], none(protocol))
  for (const [typed, shown] of kept) {
    await client.exchange(['ZSET.D128', 'd', typed], OK)
    await client.exchange(['ZGET.D128', 'd'], bulk(shown))
  }
  await exchangeAll(client, [
    ['ZINC.D128 s 1.5', OK],
    ['ZINC.D128 s 3.0', OK],
    ['ZINC.D128 s 4.5', OK],
    ['ZGET.D128 s', bulk('9.0')],
    ['ZINC.D128 s -9', OK],
    ['ZGET.D128 s', bulk('0.0')],
    ['ZINC.D128 n -1.5E+10', OK],
    ['ZGET.D128 n', bulk('-15000000000')],
  ])
  await client.exchange(['ZSET.D128', 'd', '-1.5'], OK)
  const stored = Buffer.from('0f000000000000000000000000003eb0', 'hex')
  await client.exchange(['ZGET', 'd'], bulk(stored))
})

inBothProtocols(suite, 'refuses what is no decimal128', async (client, protocol) => {
  const inexact = (shown: string) =>
    error(`ERR Conversion to Decimal128 would require inexact rounding of ${shown}`)
  const exponent = (shown: string) =>
    error(`ERR Exponent is out of range for Decimal128 encoding of ${shown}`)
  const wrongs = ['', '.', '-', 'e5', '1e', '1e+', '1.2.3', ' 1', '1 ', 'NaN', 'Infinity', '1d']
  for (const wrong of [...wrongs, '0x1', '1,5', '1'.repeat(70_000)]) {
    await client.exchange(['ZSET.D128', 'd', wrong], NOT_DECIMAL)
    await client.exchange(['ZINC.D128', 'd', wrong], NOT_DECIMAL)
  }
  const digits = '12345678901234567890123456789012345'
  const refused: readonly (readonly [typed: string, reply: string])[] = [
    [digits, inexact(digits)],
    [`-0.${digits}`, inexact(`-0.${digits}`)],
    ['1e6145', exponent('1e6145')],
    ['1E-6177', exponent('1E-6177')],
    ['-11E-6177', exponent('-11E-6177')],
    ['1e999999999', exponent('1e999999999')],
    ['1e-999999999', exponent('1e-999999999')],
    [`1e${'9'.repeat(5000)}`, exponent(`1e${'9'.repeat(5000)}`)],
  ]
  for (const [typed, reply] of refused) {
    await client.exchange(['ZSET.D128', 'd', typed], reply)
    await client.exchange(['ZINC.D128', 'd', typed], reply)
  }
  await client.exchange(['ZGET', 'd'], none(protocol))
  await exchangeAll(client, [
    [`ZSET.D128 d ${'9'.repeat(34)}`, OK],
    ['ZINC.D128 d 0.1', inexact(`${'9'.repeat(34)}.1`)],
    ['ZINC.D128 d 1', OK],
    ['ZGET.D128 d', bulk(`1${'0'.repeat(34)}`)],
    ['ZSET.D128 d 9E+6144', OK],
    ['ZINC.D128 d 1E+6144', exponent(`1.${'0'.repeat(34)}E+6145`)],
    ['ZSET.D128 d -1E-6170', OK],
    ['ZINC.D128 d 1', inexact(`0.${'9'.repeat(6170)}`)],
    ['ZGET.D128 d', bulk(`-0.${'0'.repeat(6169)}1`)],
  ])
})

inBothProtocols(suite, 'checks what is stored where a decimal should be', async client => {
  const highWords: readonly (readonly [what: string, high: string, reply: string])[] = [
    ['infinity', '0000000000000078', D128_ODD],
    ['negative infinity', '00000000000000f8', D128_ODD],
    ['not a number', '000000000000007c', D128_ODD],
    ['a signalling one', '000000000000007e', D128_ODD],
    ['negative zero', '00000000000040b0', D128_ODD],
    ['a negative zero that is not canonical', '00000000000000e0', D128_ODD],
    ['zero that is not canonical', '0000000000000060', bulk('0')],
    ['another one', 'ffffffffffff7f77', bulk('0')],
    ['zero with a scale', '0000000000003c30', bulk('0.00')],
  ]
  for (const [what, high, reply] of highWords) {
    await client.exchange(['ZSET', 'd', Buffer.from(`0000000000000000${high}`, 'hex')], OK)
    client.send('ZGET.D128', 'd')
    assert.is(await client.readBytes(reply.length), reply, what)
    const refused = reply.startsWith('-')
    // ORDER: the stored value is looked at before the delta.
    await client.exchange(['ZINC.D128', 'd', 'x'], refused ? D128_ODD : NOT_DECIMAL)
    await client.exchange(['ZINC.D128', 'd', '1'], refused ? D128_ODD : OK)
  }
  await client.exchange(['ZSET', 'd', '123456789012345'], OK)
  await client.exchange(['ZGET.D128', 'd'], D128_STORED)
  await client.exchange(['ZINC.D128', 'd', 'x'], D128_STORED)
  await client.exchange(['ZGET', 'd'], bulk('123456789012345'))
})

test('an increment reads with a conflict, whatever SNAPSHOTREAD says', async () => {
  const conflict = error(
    'NOT_COMMITTED Transaction not committed due to conflict with another transaction',
  )
  for (const type of ['F64', 'D128']) {
    const one = await server.connect()
    const other = await alsoOn(server, one)
    await one.call('SNAPSHOTREAD', 'ON')
    await exchangeAll(one, [
      [`ZSET.${type} ${type} 1`, OK],
      ['BEGIN', OK],
      [`ZINC.${type} ${type} 1`, OK],
    ])
    await other.exchange([`ZINC.${type}`, type, '10'], OK)
    await one.exchange(['COMMIT'], conflict)
    await one.exchange(['BEGIN'], OK)
    await one.exchange([`ZGET.${type}`, type], bulk('11'))
    await other.exchange([`ZINC.${type}`, type, '10'], OK)
    await exchangeAll(one, [
      ['ZSET elsewhere 1', OK],
      ['COMMIT', OK],
    ])
  }
})

test('a failed increment leaves a transaction as it was', async () => {
  const client = await server.connect()
  await exchangeAll(client, [
    ['ZSET word abc', OK],
    ['BEGIN', OK],
    ['ZINC.F64 counted 1', OK],
    ['ZINC.F64 word 1', F64_STORED],
    ['ZINC.D128 word 1', D128_STORED],
    ['ZINC.F64 counted 1', OK],
    ['COMMIT', OK],
    ['ZGET.F64 counted', bulk('2')],
    ['ZGET word', bulk('abc')],
  ])
})

test.run()
