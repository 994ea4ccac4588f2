/** A command that gets no memory, at whichever place, changes nothing. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../../ts/error.js'
import { Arena } from '../../../ts/redis/memory/arena.js'
import { ShardData } from '../../../ts/redis/shard.js'
import { Span } from '../../../ts/resp/span.js'
import { errorOf } from '../../support/data-member.js'
import { slotOfText, TextShard } from '../../support/text-shard.js'

const KEYS = ['{1}string', '{1}hash', '{1}none', '{1}timed', '{1}other']
const LONG = 'x'.repeat(20_000)

let shard: ShardData
let text: TextShard

test.before.each(() => {
  shard = new ShardData(0)
  text = new TextShard(shard)
  text.set('{1}string', 'some text')
  text.set('{1}timed', LONG, Date.now() + 1_000_000)
  text.hset('{1}hash', 'field', 'some text'.repeat(20))
  text.hset('{1}other', 'long', LONG)
})

/** All that clients see of the keys, and what memory they take. */
function state(): unknown {
  const keys = KEYS.map(key => {
    const type = text.typeOf(key)
    const value = type === 'hash' ? text.fields(key) : type && text.get(key)
    return [key, type, text.expiryOf(key), value]
  })
  return { keys, size: shard.size, usedBytes: shard.usedBytes, expiring: shard.expiringSize }
}

/** Runs something with fewer blocks than it asks for. @returns  what it ends with */
async function withBlocks(count: number, run: () => void): Promise<string> {
  const { allocate } = Arena.prototype
  let left = count
  Arena.prototype.allocate = function (bytes) {
    if (left-- === 0) throw new RespError('OOM', 'no memory')
    return allocate.call(this, bytes)
  }
  try {
    return await errorOf(run)
  } finally {
    Arena.prototype.allocate = allocate
  }
}

const WRITES: Record<string, () => void> = {
  'a new string': () => text.set('{1}none', 'value'),
  'a new long string': () => text.set('{1}none', LONG),
  'a longer string': () => text.set('{1}string', 'y'.repeat(1_000)),
  'a string that is longer and expires': () => {
    text.set('{1}string', 'y'.repeat(1_000), Date.now() + 1_000)
  },
  'a string that becomes a long one': () => text.set('{1}string', LONG),
  'a string instead of a long one': () => text.set('{1}timed', 'y'.repeat(1_000)),
  'a string instead of a hash': () => text.set('{1}hash', 'value'),
  'the first field of a hash': () => text.hset('{1}none', 'field', 'value'),
  'the first field of a hash, a long one': () => text.hset('{1}none', 'field', LONG),
  'another field of a hash': () => text.hset('{1}hash', 'more', 'value'),
  'a longer field': () => text.hset('{1}hash', 'field', 'y'.repeat(1_000)),
  'a field that becomes a long one': () => text.hset('{1}hash', 'field', LONG),
  'another name': () => text.rename('{1}string', '{1}none'),
  'the name of another string': () => text.rename('{1}string', '{1}timed'),
  'the name of a hash': () => text.rename('{1}string', '{1}hash'),
  'another name of a hash': () => text.rename('{1}hash', '{1}other'),
}

for (const [what, write] of Object.entries(WRITES)) {
  test(`${what} needs memory, or nothing has changed`, async () => {
    const before = state()
    let count = 0
    while ((await withBlocks(count, write)) === 'OOM no memory') {
      assert.equal(state(), before)
      count++
    }
    assert.ok(count > 0, 'it asked for memory')
    assert.not.equal(state(), before)
  })
}

test('a long value that cannot be copied leaves the one that is there', async () => {
  const before = state()
  const item = shard.find(slotOfText('{1}string'), Span.of('{1}string'))
  const long = Span.of(LONG)
  const { allocUnsafeSlow } = Buffer
  Buffer.allocUnsafeSlow = () => {
    throw new RespError('OOM', 'no memory')
  }
  try {
    assert.is(await errorOf(() => shard.replace(item, long)), 'OOM no memory')
  } finally {
    Buffer.allocUnsafeSlow = allocUnsafeSlow
  }
  assert.equal(state(), before)
})

test.run()
