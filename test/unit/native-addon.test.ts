import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BSON, ObjectId } from 'bson'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addon, nativeReason, type ScanOptions, type VolumeHandle } from '../../ts/native.js'
import { packPointer } from '../../ts/store/pointer.js'

const SEGMENT_BYTES = 1 << 20
const KEY_PREFIX = Buffer.from('bucket')

interface Given {
  directory: string
  volume: VolumeHandle
}

const test = suite<Given>('native addon')

test.before.each(given => {
  given.directory = mkdtempSync(join(tmpdir(), 'kronotop-addon-'))
  given.volume = openVolume(given.directory)
  given.volume.createSegment(0)
  given.volume.activate(0, 0)
})

test.after.each(given => {
  given.volume.close()
  rmSync(given.directory, { recursive: true })
})

function openVolume(directory: string): VolumeHandle {
  const options = { segmentSize: SEGMENT_BYTES, preallocateBytes: 1 << 16 }
  return addon.VolumeHandle.open(join(directory, 'segments'), options)
}

function append(volume: VolumeHandle, bodies: Buffer[]): Uint32Array {
  return volume.append(
    Buffer.concat(bodies),
    Uint32Array.from(bodies, body => body.length),
  )
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action()
  } catch (thrown) {
    return nativeReason(thrown)?.code
  }
  throw new Error('nothing was thrown')
}

async function codeOfRejected(promise: Promise<unknown>): Promise<string | undefined> {
  const [settled] = await Promise.allSettled([promise])
  assert.is(settled.status, 'rejected')
  return settled.status === 'rejected' ? nativeReason(settled.reason)?.code : undefined
}

/** Packs pairs as a range read does: key = prefix and `_id`, value = pointer. */
function packPairs(pairs: { id: Buffer; shard: number; location: Uint32Array }[]): Buffer {
  const parts = pairs.flatMap(({ id, shard, location }) => {
    const [segment = 0, position = 0, length = 0, crc32c = 0] = location
    const value = packPointer({ shard, segment, position, length, crc32c })
    const head = Buffer.alloc(8)
    head.writeUInt32LE(KEY_PREFIX.length + id.length, 0)
    head.writeUInt32LE(value.length, 4)
    return [head, KEY_PREFIX, id, value]
  })
  return Buffer.concat(parts)
}

/** Stores `{n: 0}`, `{n: 1}` … and returns what a scan of them needs. */
function storeNumbers(volume: VolumeHandle, count: number) {
  const texts = Array.from({ length: count }, (_, n) => Buffer.from(`{"n": ${n}}`))
  const { bodies, lengths, ids } = addon.prepareInsert(texts, true)
  const locations = volume.append(bodies, lengths)
  const pairs = texts.map((_, n) => ({
    id: ids.subarray(n * 12, n * 12 + 12),
    shard: 5,
    location: locations.subarray(n * 4, n * 4 + 4),
  }))
  const context = new addon.ScanContext()
  context.setVolume(5, volume)
  const options: ScanOptions = {
    count,
    idOffset: -12,
    format: 'bson',
    maxResults: count,
    mayRepeat: false,
  }
  return { packed: packPairs(pairs), context, options, ids, locations }
}

function greaterThan(n: number): Buffer {
  return Buffer.from(BSON.serialize({ n: 'cmp', p: 'n', o: 'gt', v: n }))
}

test('reads what was appended, in the order asked for', async ({ volume }) => {
  const locations = append(volume, [Buffer.from('one'), Buffer.from('three')])
  assert.equal([...locations.subarray(0, 3)], [0, 0, 3])
  assert.equal([...locations.subarray(4, 7)], [0, 3, 5])
  assert.is(locations[3], addon.crc32c(Buffer.from('one')))
  const swapped = Uint32Array.of(...locations.subarray(4), ...locations.subarray(0, 4))
  assert.is(volume.read(swapped).toString(), 'threeone')
  assert.is((await volume.readAsync(swapped)).toString(), 'threeone')
  assert.equal(volume.tail, { segment: 0, position: 8 })
  assert.is(volume.read(new Uint32Array()).length, 0)
})

test('returns large reads intact', async ({ volume }) => {
  const body = Buffer.alloc(300_000, 'abcdefghij')
  const locations = append(volume, [body, body.subarray(1)])
  assert.ok(volume.read(locations).equals(Buffer.concat([body, body.subarray(1)])))
  assert.ok((await volume.readAsync(locations.subarray(0, 4))).equals(body))
})

test('appends what fits and takes the rest in the next segment', ({ volume }) => {
  const body = Buffer.alloc(400_000, 1)
  assert.is(append(volume, [body, body, body]).length, 2 * 4)
  assert.is(
    codeOf(() => append(volume, [body])),
    'SEGMENT_FULL',
  )
  volume.createSegment(1)
  volume.activate(1, 0)
  assert.is(append(volume, [body])[0], 1)
  assert.equal(volume.segments(), [0, 1])
  assert.is(volume.fileSize(0), SEGMENT_BYTES)
  assert.is(
    codeOf(() => volume.removeSegment(1)),
    'ACTIVE',
  )
  volume.removeSegment(0)
  assert.equal(volume.segments(), [1])
})

test('answers everybody who waits for a flush', async ({ volume }) => {
  append(volume, [Buffer.from('unsynced')])
  await Promise.all(Array.from({ length: 1000 }, () => volume.flush()))
  assert.not(volume.needsFlush)
})

test('flushes under a steady stream of appends', async ({ volume }) => {
  const writer = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      append(volume, [Buffer.from('entry')])
      await volume.flush()
    }
  }
  await Promise.all(Array.from({ length: 50 }, writer))
  assert.not(volume.needsFlush)
  assert.is(volume.tail?.position, 50 * 20 * 5)
})

test('a reopened volume has what was flushed', async ({ directory, volume }) => {
  const locations = append(volume, [Buffer.from('kept')])
  await volume.flush()
  volume.close()
  const reopened = openVolume(directory)
  assert.is(reopened.openSegment(0), SEGMENT_BYTES)
  assert.is(reopened.read(locations).toString(), 'kept')
  assert.is(
    codeOf(() => reopened.openSegment(9)),
    'MISSING_FILE',
  )
  reopened.close()
})

test('errors start with their code', async ({ volume }) => {
  const locations = append(volume, [Buffer.from('abc')])
  assert.is(
    codeOf(() => volume.read(locations.subarray(1))),
    'INVALID_ARGUMENT',
  )
  assert.is(
    codeOf(() => volume.read(Uint32Array.of(7, 0, 1, 0))),
    'UNKNOWN_SEGMENT',
  )
  const damaged = Uint32Array.of(...locations, 0, 0, 3, 0)
  assert.throws(() => volume.read(damaged), /^CORRUPTED\|1: /)
  assert.is(await codeOfRejected(volume.readAsync(damaged)), 'CORRUPTED')
  assert.is(
    codeOf(() => volume.append(Buffer.alloc(2), Uint32Array.of(1))),
    'INVALID_ENTRIES',
  )
  const tooLarge = Buffer.alloc(SEGMENT_BYTES + 1)
  assert.throws(
    () => append(volume, [tooLarge]),
    /^ENTRY_TOO_LARGE\|entry size exceeds the limit of 1048576 bytes$/,
  )
  assert.is(
    codeOf(() => volume.activate(0, -1)),
    'INVALID_ARGUMENT',
  )
})

test('a closed volume answers so', async ({ volume }) => {
  append(volume, [Buffer.from('a')])
  const asked = volume.flush()
  volume.close()
  await asked
  assert.is(
    codeOf(() => append(volume, [Buffer.from('a')])),
    'CLOSED',
  )
  volume.close()
})

test('converts documents and gives each an id', () => {
  const bson = addon.jsonToBson(Buffer.from('{"a": [1, "x", null]}'))
  assert.equal(BSON.deserialize(bson), { a: [1, 'x', null] })
  assert.equal(JSON.parse(addon.bsonToJson(bson).toString()), { a: [1, 'x', null] })
  assert.is(addon.validateBson(bson), undefined)
  assert.is(
    codeOf(() => addon.validateBson(bson.subarray(1))),
    'INVALID_BSON',
  )
  assert.is(
    codeOf(() => addon.jsonToBson(Buffer.from('{'))),
    'INVALID_JSON',
  )

  const own = new ObjectId()
  const documents = [BSON.serialize({ a: 1 }), BSON.serialize({ a: 2, _id: own })]
  const prepared = addon.prepareInsert(documents.map(Buffer.from), false)
  const second = prepared.bodies.subarray(prepared.lengths[0])
  assert.equal(Object.keys(BSON.deserialize(second)), ['_id', 'a'])
  assert.is(prepared.ids.subarray(12).toString('hex'), own.toHexString())
  const bad = Buffer.from(BSON.serialize({ _id: 1 }))
  assert.is(
    codeOf(() => addon.prepareInsert([bad], false)),
    'ID_TYPE',
  )
})

test('compiles filters', () => {
  const filter = new addon.FilterHandle(greaterThan(3))
  assert.ok(filter.matches(Buffer.from(BSON.serialize({ n: 4 }))))
  assert.not(filter.matches(Buffer.from(BSON.serialize({ n: 3 }))))
  const unknown = Buffer.from(BSON.serialize({ n: 'nothing' }))
  assert.is(
    codeOf(() => new addon.FilterHandle(unknown)),
    'INVALID_PROGRAM',
  )
})

const LARGE = 2 ** 20

test('scans a batch: reads, filters, encodes, and stops at the limit', async ({ volume }) => {
  const { packed, context, options, ids } = storeNumbers(volume, 10)
  const all = context.scan(packed, null, null, options, LARGE)!
  assert.is(all.examined, 10)
  assert.is(all.ends.length, 10)
  assert.is(BSON.deserialize(all.payload.subarray(all.ends[8])).n, 9)

  const filter = new addon.FilterHandle(greaterThan(3))
  const few = { ...options, format: 'json', maxResults: 2 } as const
  const json = context.scan(packed, filter, null, few, LARGE)!
  assert.is(json.examined, 6)
  assert.equal([...json.matches], [4, 5])
  assert.is(JSON.parse(json.payload.toString('utf8', 0, json.ends[0])).n, 4)

  assert.is(context.scan(packed, filter, null, options, 10 * 20 - 1), null)
  const found = await context.scanAsync(packed, filter, null, { ...options, format: 'ids' })
  assert.is(found.examined, 10)
  assert.equal([...found.matches], [4, 5, 6, 7, 8, 9])
  assert.ok(found.payload.equals(ids.subarray(4 * 12)))
})

test('names the document that is damaged', async ({ directory, volume }) => {
  const { packed, context, options, locations } = storeNumbers(volume, 4)
  const path = volume.path(0)
  assert.ok(path.startsWith(directory))
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.of(0xff), 0, 1, locations[2 * 4 + 1]! + 6)
  closeSync(file)
  assert.throws(() => context.scan(packed, null, null, options, LARGE), /^DAMAGED\|2: /)
  assert.is(await codeOfRejected(context.scanAsync(packed, null, null, options)), 'DAMAGED')
  context.removeVolume(5)
  assert.is(
    codeOf(() => context.scan(packed, null, null, options, LARGE)),
    'UNKNOWN_SHARD',
  )
})

test('a file lock has one holder', ({ directory }) => {
  const path = join(directory, '.lock')
  const lock = addon.FileLock.acquire(path)
  assert.is(
    codeOf(() => addon.FileLock.acquire(path)),
    'LOCKED',
  )
  lock.release()
  lock.release()
  addon.FileLock.acquire(path).release()
})

test('a process with a pending flush ends by itself', ({ directory }) => {
  const script = `
    import { addon } from ${JSON.stringify(new URL('../../ts/native.js', import.meta.url).href)}
    const options = { segmentSize: 65536, preallocateBytes: 65536 }
    const volume = addon.VolumeHandle.open(${JSON.stringify(join(directory, 'other'))}, options)
    volume.createSegment(0)
    volume.activate(0, 0)
    volume.append(Buffer.from('a'), Uint32Array.of(1))
    volume.flush().then(() => console.log('flushed'))
  `
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    encoding: 'utf8',
    timeout: 10_000,
  })
  assert.is(ended.stdout, 'flushed\n', ended.stderr)
  assert.is(ended.status, 0)
})

test.run()
