/** Whatever is committed, rolled back or released: bytes read back, and accounting adds up. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { KeyRange } from '../../ts/store/keyspace.js'
import { changeLogPrefix, prefixRange, volumeEntriesPrefix } from '../../ts/store/keyspace.js'
import { type Locations, lengthAt, locationCount } from '../../ts/volume/locations.js'
import { property } from '../support/budget.js'
import { type DataMember, once, openDataMember } from '../support/data-member.js'

const OWNERS = [Buffer.from('owner-01'), Buffer.from('owner-02')]
const SEGMENT_BYTES = 64 * 1024

interface Write {
  readonly do: 'commit' | 'abort'
  readonly owner: number
  readonly sizes: readonly number[]
  /** Which of the live bodies the same transaction releases. */
  readonly releases: readonly number[]
}
type Step = Write | { readonly do: 'reopen' }

const sizes = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 2_000 }) },
  fc.integer({ min: 20_000, max: SEGMENT_BYTES }),
)
const writes: fc.Arbitrary<Write> = fc.record({
  do: fc.constantFrom('commit', 'commit', 'abort'),
  owner: fc.nat(OWNERS.length - 1),
  sizes: fc.array(sizes, { maxLength: 5 }),
  releases: fc.array(fc.nat(), { maxLength: 3 }),
})
const steps = fc.array(
  fc.oneof({ weight: 8, arbitrary: writes }, fc.constant<Step>({ do: 'reopen' })),
  { minLength: 1, maxLength: 20 },
)

/** A body that is committed and not released. */
interface Live {
  readonly owner: Buffer
  readonly body: Buffer
  readonly location: Locations
}

class Model {
  member!: DataMember
  live: Live[] = []
  commits = 0
  #written = 0

  async apply(step: Step): Promise<void> {
    if (step.do === 'reopen') {
      this.member = await this.member.reopen()
      return
    }
    const { bucketVolume: volume, store } = this.member
    const owner = OWNERS[step.owner]!
    const bodies = step.sizes.map(size => Buffer.alloc(size, ++this.#written))
    const locations = await volume.append(Buffer.concat(bodies), Uint32Array.from(step.sizes))
    assert.is(locationCount(locations), bodies.length)
    const added = bodies.map((body, i) => {
      return { owner, body, location: locations.slice(i * 4, i * 4 + 4) }
    })
    const released = new Set(
      this.live.length === 0 ? [] : step.releases.map(i => this.live[i % this.live.length]!),
    )
    const tx = store.begin()
    const staged = volume.stage(tx)
    for (const { location } of added) staged.append(owner, Buffer.from('key'), location, 0)
    for (const gone of released) staged.release(gone.owner, gone.location, 0)
    if (step.do === 'abort') return tx.cancel()
    await tx.commit()
    if (added.length + released.size > 0) this.commits++
    this.live = [...this.live.filter(entry => !released.has(entry)), ...added]
  }

  async check(): Promise<void> {
    const { bucketVolume: volume } = this.member
    const all = Uint32Array.from(this.live.flatMap(({ location }) => [...location]))
    const bodies = Buffer.concat(this.live.map(({ body }) => body))
    assert.ok(volume.read(all).equals(bodies))
    let used = 0
    let entries = 0
    for (const segment of (await volume.describe()).values()) {
      const garbage = (segment.garbagePercentage * segment.size) / 100
      assert.ok(garbage > -1e-6 && segment.freeBytes >= 0 && segment.usedBytes >= 0)
      const sum = segment.usedBytes + segment.freeBytes + garbage
      assert.ok(Math.abs(sum - segment.size) < 1e-6, `${sum} of ${segment.size}`)
      used += segment.usedBytes
      entries += segment.cardinality
    }
    const live = this.live.reduce((total, { location }) => total + lengthAt(location, 0), 0)
    assert.equal({ used, entries }, { used: live, entries: this.live.length })
    assert.is(await this.#count(prefixRange(volumeEntriesPrefix(volume.prefix))), entries)
    assert.is(await this.#count(prefixRange(changeLogPrefix(volume.prefix))), this.commits)
  }

  async #count({ begin, end }: KeyRange): Promise<number> {
    const { store } = this.member
    return (await once(store, tx => tx.getRangeAll(begin, end))).count
  }
}

test('committed bodies are there, and nothing else is counted', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async list => {
      const model = new Model()
      model.member = await openDataMember([`bucket.volume.segment_size=${SEGMENT_BYTES}`])
      try {
        for (const step of list) {
          await model.apply(step)
          await model.check()
        }
      } finally {
        await model.member.close()
      }
    }),
    property('volume steps'),
  )
})

test.run()
