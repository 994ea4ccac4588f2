import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeLogPrefix, prefixRange, segmentKey } from '../../../ts/store/keyspace.js'
import { unpack } from '../../../ts/store/packed-range.js'
import type { Tx } from '../../../ts/store/tx.js'
import { CHANGE_BYTES, ChangeKind } from '../../../ts/volume/change-log.js'
import {
  LOCATION_WORDS,
  type Locations,
  lengthAt,
  locationCount,
  positionAt,
  segmentAt,
} from '../../../ts/volume/locations.js'
import type { Volume } from '../../../ts/volume/volume.js'
import { type DataMember, errorOf, once, openDataMember } from '../../support/data-member.js'

const OWNER = Buffer.from('owner-01')
const KEY = Buffer.from('key')
const SEGMENT_BYTES = 1024 * 1024

let member: DataMember
let volume: Volume

test.before.each(async () => {
  member = await openDataMember()
  volume = member.bucketVolume
})
test.after.each(() => member.close())

function bodiesOf(...sizes: number[]): { bodies: Buffer; lengths: Uint32Array } {
  const bodies = Buffer.concat(sizes.map((size, i) => Buffer.alloc(size, i + 1)))
  return { bodies, lengths: Uint32Array.from(sizes) }
}

function append(...sizes: number[]): Promise<Locations> {
  const { bodies, lengths } = bodiesOf(...sizes)
  return Promise.resolve(volume.append(bodies, lengths))
}

function stageAll(tx: Tx, locations: Locations): void {
  const writes = volume.stage(tx)
  for (let i = 0; i < locationCount(locations); i++) writes.append(OWNER, KEY, locations, i)
}

/** Appends bodies and commits them. */
async function write(...sizes: number[]): Promise<Locations> {
  const locations = await append(...sizes)
  await once(member.store, tx => stageAll(tx, locations))
  return locations
}

async function release(locations: Locations): Promise<void> {
  await once(member.store, tx => {
    const writes = volume.stage(tx)
    for (let i = 0; i < locationCount(locations); i++) writes.release(OWNER, locations, i)
  })
}

function changeLog(): Promise<Buffer[]> {
  const { begin, end } = prefixRange(changeLogPrefix(volume.prefix))
  return member.store.transact(async tx => {
    return [...unpack(await tx.getRangeAll(begin, end))].map(({ value }) => Buffer.from(value))
  })
}

/** `kind segment:position+length` of each record of a change-log value. */
function changesIn(value: Buffer): string[] {
  return Array.from({ length: value.length / CHANGE_BYTES }, (_, i) => {
    const at = i * CHANGE_BYTES
    const place = `${value.readUInt32BE(at + 1)}:${value.readUInt32BE(at + 5)}`
    return `${value[at]} ${place}+${value.readUInt32BE(at + 9)}`
  })
}

/** Used and garbage bytes of all segments; checks that they and the free bytes fill the files. */
async function accounting(): Promise<{ used: number; garbage: number; entries: number }> {
  let used = 0
  let garbage = 0
  let entries = 0
  for (const segment of (await volume.describe()).values()) {
    const segmentGarbage = (segment.garbagePercentage * segment.size) / 100
    const sum = segment.usedBytes + segment.freeBytes + segmentGarbage
    assert.ok(Math.abs(sum - segment.size) < 1e-6, `${sum} of ${segment.size}`)
    used += segment.usedBytes
    garbage += Math.round(segmentGarbage)
    entries += segment.cardinality
  }
  return { used, garbage, entries }
}

test('has no segment before the first append', async () => {
  assert.is((await volume.describe()).size, 0)
  assert.equal(readdirSync(volume.directory), [])
})

test('reads back what was appended, before and after the commit', async () => {
  const { bodies, lengths } = bodiesOf(3, 1, 700)
  const locations = await volume.append(bodies, lengths)
  assert.equal(volume.read(locations), bodies)
  await once(member.store, tx => stageAll(tx, locations))
  assert.equal(volume.read(locations), bodies)
  assert.equal(await volume.readAsync(locations), bodies)
})

test('counts committed bytes as used, and those of a rollback as garbage', async () => {
  await write(100, 200)
  assert.equal(await accounting(), { used: 300, garbage: 0, entries: 2 })
  const tx = member.store.begin()
  stageAll(tx, await append(50))
  tx.cancel()
  assert.equal(await accounting(), { used: 300, garbage: 50, entries: 2 })
  const written = await write(25)
  assert.equal(await accounting(), { used: 325, garbage: 50, entries: 3 })
  await release(written)
  assert.equal(await accounting(), { used: 300, garbage: 75, entries: 2 })
})

test('rolls over when a body does not fit, and leaves the rest free', async () => {
  const size = 400 * 1024
  const locations = await write(size, size, size, size, size)
  const segments = Array.from({ length: 5 }, (_, i) => segmentAt(locations, i))
  assert.equal(segments, [0, 0, 1, 1, 2])
  assert.equal(volume.read(locations).length, 5 * size)
  assert.equal(await accounting(), { used: 5 * size, garbage: 0, entries: 5 })
})

test('makes one segment for writers that find the same one full', async () => {
  const size = 300 * 1024
  const written = await Promise.all(Array.from({ length: 12 }, () => write(size)))
  const places = written.map(locations => `${segmentAt(locations, 0)}:${positionAt(locations, 0)}`)
  assert.is(new Set(places).size, 12)
  assert.equal([...(await volume.describe()).keys()], [0, 1, 2, 3])
  assert.equal(await accounting(), { used: 12 * size, garbage: 0, entries: 12 })
})

test('a transaction older than the segment it writes into commits', async () => {
  const tx = member.store.begin()
  await tx.readVersion()
  stageAll(tx, await append(10))
  await tx.commit()
  assert.equal(await accounting(), { used: 10, garbage: 0, entries: 1 })
})

test('refuses a body that no segment can hold, and stays usable', async () => {
  const limit = 'ERR entry size exceeds the limit of 16777216 bytes'
  assert.is(await errorOf(() => append(SEGMENT_BYTES + 1)), limit)
  await write(SEGMENT_BYTES)
  await write(1)
  assert.equal(await accounting(), { used: SEGMENT_BYTES + 1, garbage: 0, entries: 2 })
})

test('opens again at the committed tail', async () => {
  const kept = await write(100)
  stageAll(member.store.begin(), await append(50))
  member = await member.reopen()
  volume = member.bucketVolume
  const next = await write(10)
  assert.is(positionAt(next, 0), 100)
  assert.equal(volume.read(kept), Buffer.alloc(100, 1))
  assert.equal(await accounting(), { used: 110, garbage: 0, entries: 2 })
})

test('opens again over several segments', async () => {
  const size = 700 * 1024
  const locations = await write(size, size, size)
  member = await member.reopen()
  volume = member.bucketVolume
  assert.is(volume.read(locations).length, 3 * size)
  assert.is(segmentAt(await write(size), 0), 3)
})

test('removes segment files that nobody registered', async () => {
  await write(10)
  const stray = join(volume.directory, '0000000000000000007')
  writeFileSync(stray, 'left over by a crash')
  member = await member.reopen()
  assert.not(existsSync(stray))
})

test('looks at all registered segments before it removes a file', async () => {
  const last = 5_000
  volume.handle.createSegment(last)
  await member.store.transact(tx => {
    for (let segment = 0; segment <= last; segment++) {
      tx.set(segmentKey(volume.prefix, segment), Buffer.from('{"size":1048576}'.padEnd(100)))
    }
  })
  const path = volume.handle.path(last)
  member = await member.reopen()
  assert.ok(existsSync(path))
  assert.is((await member.bucketVolume.describe()).size, last + 1)
})

test('adds up the bytes of any number of owners', async () => {
  const count = 5_000
  const locations = await append(...Array.from({ length: count }, () => 3))
  await once(member.store, tx => {
    const writes = volume.stage(tx)
    const owner = Buffer.alloc(8)
    for (let i = 0; i < count; i++) {
      owner.writeUInt32BE(i)
      writes.append(Buffer.from(owner), KEY, locations, i)
    }
  })
  assert.equal(await accounting(), { used: 3 * count, garbage: 0, entries: count })
})

test('a missing segment file makes the volume inoperable, loudly', async () => {
  const size = 700 * 1024
  await write(size, size)
  rmSync(join(volume.directory, '0000000000000000000'))
  member = await member.reopen()
  volume = member.bucketVolume
  assert.is(volume.status, 'INOPERABLE')
  assert.is(await errorOf(() => append(1)), 'ERR Volume: bucket-shard-0 is inoperable')
  const said = member.logged.filter(({ msg }) => msg === 'a segment file is missing or too short')
  assert.is(said.length, 1)
  assert.equal([...(await volume.describe()).keys()], [0, 1])
})

test('a segment file that lost its end makes the volume inoperable', async () => {
  await write(5000)
  truncateSync(join(volume.directory, '0000000000000000000'), 4096)
  member = await member.reopen()
  assert.is(member.bucketVolume.status, 'INOPERABLE')
})

test('writes one change-log entry a commit, in the order of its changes', async () => {
  const first = await write(10, 20)
  await once(member.store, async tx => {
    const second = await append(5)
    volume.stage(tx).release(OWNER, first, 0)
    stageAll(tx, second)
  })
  const { append: appended, release: released } = ChangeKind
  assert.equal((await changeLog()).map(changesIn), [
    [`${appended} 0:0+10`, `${appended} 0:10+20`],
    [`${released} 0:0+10`, `${appended} 0:30+5`],
  ])
})

test('releases everything at once, and writes on behind it', async () => {
  await write(10, 20)
  await once(member.store, tx => volume.stage(tx).releaseAll())
  assert.equal(await accounting(), { used: 0, garbage: 30, entries: 0 })
  assert.equal(changesIn((await changeLog()).at(-1)!), [`${ChangeKind.releaseAll} 0:0+0`])
  await write(5)
  assert.equal(await accounting(), { used: 5, garbage: 30, entries: 1 })
})

test('splits the change log of a large commit into values of bounded size, in order', async () => {
  const count = 5000
  const locations = await append(...Array.from({ length: count }, () => 1))
  await once(member.store, tx => stageAll(tx, locations))
  const values = await changeLog()
  assert.equal(
    values.map(value => value.length / CHANGE_BYTES),
    [4096, 904],
  )
  const positions = values.flatMap(changesIn).map(text => Number(/:(\d+)/.exec(text)?.[1]))
  assert.equal(
    positions,
    Array.from({ length: count }, (_, i) => i),
  )
})

test('a transaction that stages nothing writes no change-log entry', async () => {
  await once(member.store, tx => {
    volume.stage(tx)
  })
  assert.equal(await changeLog(), [])
})

test('a commit that points into an unregistered segment fails', async () => {
  const locations = await write(10)
  const more = await append(10)
  await member.store.transact(tx => tx.clear(segmentKey(volume.prefix, segmentAt(locations, 0))))
  const commit = () => once(member.store, tx => stageAll(tx, more))
  assert.is(await errorOf(commit), "ERR Segment with id: '0' could not be found")
})

test('a commit conflicts with the end of a segment that it points into', async () => {
  const locations = await write(10)
  const tx = member.store.begin()
  stageAll(tx, locations)
  await tx.get(segmentKey(volume.prefix, 0))
  await member.store.transact(other => other.clear(segmentKey(volume.prefix, 0)))
  assert.match(await errorOf(() => tx.commit()), /^NOT_COMMITTED /)
})

test('commits into one segment do not conflict with each other', async () => {
  await write(1)
  const transactions = [member.store.begin(), member.store.begin()]
  for (const tx of transactions) {
    await tx.readVersion()
    stageAll(tx, await append(10))
  }
  for (const tx of transactions) await tx.commit()
  assert.equal(await accounting(), { used: 21, garbage: 0, entries: 3 })
})

test('location words stay four', () => {
  assert.is(LOCATION_WORDS, 4)
  assert.is(lengthAt(Uint32Array.of(0, 0, 9, 0), 0), 9)
})

test.run()
