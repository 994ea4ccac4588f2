/** Blocks of memory: none lies in another, none changes by itself, and all memory comes back. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Arena } from '../../../../ts/redis/memory/arena.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

const KIB = 1_024
const PAGE_BYTES = 256 * KIB
/** Largest block that shares a page with others. */
const SHARED_MAX_BYTES = 16 * KIB
/** Sizes at the edges of granules, classes and pages. */
const EDGES = [
  [0, 1, 15, 16, 17, 255, 256, 257, 288, 289, 4_095, 4_096, 4_097],
  [SHARED_MAX_BYTES - 1, SHARED_MAX_BYTES, SHARED_MAX_BYTES + 1],
  [PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1],
].flat()

interface Block {
  readonly address: number
  readonly bytes: number
  /** What its bytes begin with; each differs from the one before it. */
  readonly first: number
}

let arena: Arena

test.before.each(() => {
  arena = new Arena()
})

function bytesOf({ address, bytes }: Block): Buffer {
  const at = arena.offset(address)
  const whole = arena.page(address).subarray(at, at + bytes)
  assert.is(whole.length, bytes, 'a block lies in its page as a whole')
  return whole
}

function allocate(bytes: number, first = 0): Block {
  const block: Block = { address: arena.allocate(bytes), bytes, first }
  const memory = bytesOf(block)
  for (let i = 0; i < bytes; i++) memory[i] = first + 7 * i
  return block
}

/** Is in a block what was written to it? */
function check(block: Block): void {
  const memory = bytesOf(block)
  for (let i = 0; i < block.bytes; i++) {
    if (memory[i] !== ((block.first + 7 * i) & 255)) throw new Error(`byte ${i} of a block changed`)
  }
}

function checkApart(blocks: readonly Block[]): void {
  const byPage = new Map<Buffer, Block[]>()
  for (const block of blocks) {
    const page = arena.page(block.address)
    byPage.set(page, [...(byPage.get(page) ?? []), block])
  }
  for (const mates of byPage.values()) {
    mates.sort((one, other) => arena.offset(one.address) - arena.offset(other.address))
    for (let i = 1; i < mates.length; i++) {
      const before = mates[i - 1]!
      // One without bytes has memory nevertheless: a free one keeps a place there.
      const end = arena.offset(before.address) + Math.max(before.bytes, 2)
      assert.ok(end <= arena.offset(mates[i]!.address), 'blocks overlap')
    }
  }
}

function sizeOf(random: Random): number {
  const kind = random.next()
  if (kind < 0.1) return random.pick(EDGES)
  if (kind < 0.8) return random.between(0, 300)
  if (kind < 0.98) return random.between(0, 3_000)
  return random.between(0, 40_000)
}

test('blocks of one size and of all edges hold what was written to them', () => {
  for (const bytes of EDGES) {
    const blocks = Array.from({ length: 40 }, (_, i) => allocate(bytes, i))
    checkApart(blocks)
    blocks.forEach(check)
    for (const { address } of blocks) arena.free(address, bytes)
    assert.is(arena.usedBytes, 0, `${bytes} bytes`)
  }
})

test('blocks that come and go in any order stay apart and as they were', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const blocks: Block[] = []
  const count = rounds('blocks of an arena')
  for (let round = 0; round < count; round++) {
    // Thousands of blocks in one half of the time, few in the other.
    const most = (round / 10_000) & 1 ? 100 : 4_000
    if (blocks.length === 0 || (blocks.length < most && random.next() < 0.6)) {
      blocks.push(allocate(sizeOf(random), round & 255))
      continue
    }
    const at = random.between(0, blocks.length - 1)
    const gone = blocks[at]!
    blocks[at] = blocks.at(-1)!
    blocks.pop()
    check(gone)
    arena.free(gone.address, gone.bytes)
    if (round % 5_000 === 0) checkApart(blocks)
  }
  checkApart(blocks)
  for (const block of blocks) {
    check(block)
    arena.free(block.address, block.bytes)
  }
  assert.is(arena.usedBytes, 0)
})

test('a block costs its size, rounded up by an eighth at most beyond 256 bytes', () => {
  for (let bytes = 0; bytes <= SHARED_MAX_BYTES; bytes++) {
    const { address } = allocate(bytes)
    const cost = arena.usedBytes
    const granules = Math.max(1, Math.ceil(bytes / 16)) * 16
    assert.ok(cost >= bytes && cost <= granules * (bytes > 256 ? 1.125 : 1), `${bytes}: ${cost}`)
    arena.free(address, bytes)
  }
  allocate(SHARED_MAX_BYTES + 1)
  assert.is(arena.usedBytes, SHARED_MAX_BYTES + 1)
})

test('a block fits another size when that would cost the same', () => {
  const costs = new Map<number, number>()
  for (const bytes of [...EDGES, 100, 111, 112, 113, 2_000, 2_048, 2_049, 2_050]) {
    const { address } = allocate(bytes)
    costs.set(bytes, arena.usedBytes)
    arena.free(address, bytes)
  }
  for (const [from, costFrom] of costs) {
    for (const [to, costTo] of costs) {
      assert.is(arena.fits(from, to), costFrom === costTo, `${from} ${to}`)
    }
  }
})

test('a page without blocks is given back, but for one of each size', () => {
  const blocks = Array.from({ length: 100_000 }, (_, i) => allocate(16, i & 255))
  const pages = new Set(blocks.map(({ address }) => arena.page(address)))
  assert.is(pages.size, Math.ceil((100_000 * 16) / PAGE_BYTES))
  for (const { address } of blocks) arena.free(address, 16)
  const left = new Set(blocks.map(({ address }) => arena.page(address)).filter(Boolean))
  assert.is(left.size, 1)
  const long = allocate(1_000_000)
  arena.free(long.address, 1_000_000)
  assert.is(arena.page(long.address), undefined)
})

test('pages that were given back are used again', () => {
  // The upper bits of an address are the number of its page.
  const pagesOf = (blocks: readonly Block[]) => {
    return [...new Set(blocks.map(({ address }) => address >>> 14))].sort()
  }
  const fill = () => Array.from({ length: 20_000 }, (_, i) => allocate(64, i & 255))
  const first = fill()
  const pages = pagesOf(first)
  for (const { address } of first) arena.free(address, 64)
  for (let turn = 0; turn < 5; turn++) {
    const again = fill()
    assert.equal(pagesOf(again), pages)
    checkApart(again)
    again.forEach(check)
    for (const { address } of again) arena.free(address, 64)
  }
})

test('a page that was full takes blocks again when one goes', () => {
  const perPage = PAGE_BYTES / SHARED_MAX_BYTES
  const blocks = Array.from({ length: 3 * perPage }, (_, i) => allocate(SHARED_MAX_BYTES, i))
  const gone = blocks.splice(perPage, 1)[0]!
  arena.free(gone.address, gone.bytes)
  const next = allocate(SHARED_MAX_BYTES, 99)
  assert.is(next.address, gone.address)
  blocks.push(next)
  checkApart(blocks)
  blocks.forEach(check)
})

test.run()
