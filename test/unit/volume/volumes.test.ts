import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseVolumeName, volumeName } from '../../../ts/volume/name.js'
import { type DataMember, errorOf, openDataMember } from '../../support/data-member.js'

let member: DataMember

test.before(async () => {
  member = await openDataMember(['bucket.shards=2', 'redis.shards=1'])
})
test.after(() => member.close())

test('opens a volume for each shard of which the member is the primary', () => {
  assert.equal(member.volumes.names(), ['bucket-shard-0', 'bucket-shard-1', 'redis-shard-0'])
  assert.is(member.volumes.find('BUCKET', 1)?.name, 'bucket-shard-1')
  assert.is(member.volumes.find('BUCKET', 2), undefined)
})

test('finds volumes by name, with the older word for REDIS too', () => {
  assert.is(member.volumes.require('STASH-shard-0'), member.volumes.require('redis-shard-0'))
  assert.is(volumeName('REDIS', 3), 'redis-shard-3')
})

const REFUSED: readonly [name: string, error: string][] = [
  ['bucket-shard-7', "ERR Volume: 'bucket-shard-7' is not open"],
  ['', 'ERR invalid volume name: '],
  ['bucket', 'ERR invalid volume name: bucket'],
  ['bucket-part-0', 'ERR invalid volume name: bucket-part-0'],
  ['bucket-shard-0-1', 'ERR invalid volume name: bucket-shard-0-1'],
  ['disk-shard-0', 'ERR invalid shard kind: disk'],
  ['bucket-shard-x', 'ERR invalid shard id: x'],
  ['bucket-shard-', 'ERR invalid shard id: '],
  ['bucket-shard-123456', 'ERR invalid shard id: 123456'],
]
for (const [name, error] of REFUSED) {
  test(`refuses the volume name '${name}'`, async () => {
    assert.is(await errorOf(() => member.volumes.require(name)), error)
  })
}

test('reads both parts of a volume name', () => {
  assert.equal(parseVolumeName('redis-shard-12'), { kind: 'REDIS', shard: 12 })
})

test('a volume stays usable when a change of routes does not concern it', async () => {
  const before = member.volumes.find('BUCKET', 1)!
  const { epoch } = before
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READWRITE')
  assert.is(member.volumes.find('BUCKET', 1), before)
  assert.is(before.epoch, epoch)
})

test.run()
