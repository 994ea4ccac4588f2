/** Bytes of the cluster's own state: a change here makes existing clusters unreadable. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { METADATA_VERSION } from '../../ts/cluster/administration.js'
import { ClusterKeys } from '../../ts/cluster/keys.js'
import { decodeMember, encodeMember } from '../../ts/cluster/member.js'
import { stampText } from '../../ts/store/stamp-text.js'

const keys = new ClusterKeys({
  metadata: Buffer.from('1501', 'hex'),
  members: Buffer.from('1502', 'hex'),
  shards: Buffer.from('1503', 'hex'),
})
const MEMBER = '5b1e9d0c44aa7f6d2e91b30c7785ce10fa3b6d21'
const MEMBER_HEX = Buffer.from(MEMBER, 'latin1').toString('hex')

const FROZEN: readonly (readonly [what: string, key: Buffer, hex: string])[] = [
  ['layout version', keys.version, '150101'],
  ['initialized flag', keys.initialized, '150102'],
  ['topology counter', keys.topology, '150103'],
  ['member record', keys.memberRecord(MEMBER), `1502${MEMBER_HEX}01`],
  ['heartbeat', keys.heartbeat(MEMBER), `1502${MEMBER_HEX}02`],
  ['members begin', keys.members().begin, '150200'],
  ['members end', keys.members().end, '1502ff'],
  ['bucket route', keys.route('BUCKET', 0x01020304), '1503010102030401'],
  ['bucket epoch', keys.epoch('BUCKET', 0x01020304), '1503010102030402'],
  ['redis route', keys.route('REDIS', 7), '1503020000000701'],
  ['redis epoch', keys.epoch('REDIS', 7), '1503020000000702'],
  ['shards begin', keys.shards().begin, '150300'],
  ['shards end', keys.shards().end, '1503ff'],
]
for (const [what, key, hex] of FROZEN) {
  test(`${what} has the bytes that stores have`, () => assert.is(key.toString('hex'), hex))
}

test('member and shard keys are read back', () => {
  assert.equal(keys.parseMember(keys.memberRecord(MEMBER)), { memberId: MEMBER, isRecord: true })
  assert.equal(keys.parseMember(keys.heartbeat(MEMBER)), { memberId: MEMBER, isRecord: false })
  const epoch = keys.parseShard(keys.epoch('REDIS', 70_000))
  assert.equal(epoch, { kind: 'REDIS', id: 70_000, isRoute: false })
  const route = keys.parseShard(keys.route('BUCKET', 0))
  assert.equal(route, { kind: 'BUCKET', id: 0, isRoute: true })
})

test('the version of the layout is what the specification says', () => {
  assert.is(METADATA_VERSION, '1.0.0')
})

test('a member record is JSON with these names', () => {
  const record = {
    memberId: MEMBER,
    status: 'RUNNING',
    processId: stampText(Buffer.from('000004395a7c410000000000', 'hex')),
    external: { host: '127.0.0.1', port: 5484 },
    internal: { host: '::1', port: 3320 },
  } as const
  const text =
    `{"memberId":"${MEMBER}","status":"RUNNING","processId":"00008EAQFH0G00000000xxxx",` +
    '"external":{"host":"127.0.0.1","port":5484},"internal":{"host":"::1","port":3320}}'
  assert.is(encodeMember(record).toString(), text)
  assert.equal(decodeMember(Buffer.from(text)), record)
})

test.run()
