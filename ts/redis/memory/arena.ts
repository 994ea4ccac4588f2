/**
 * Memory for the bytes of keys, fields and values, outside of the JavaScript heap: millions of
 * small blocks that the garbage collector never looks at.
 *
 *   page    256 KiB, blocks of one size class, or one block larger than all classes
 *   block   1 to 1,024 granules of 16 bytes; a free one begins with the place of the next free one
 *   address page number, 18 bits | granule in the page, 14 bits
 *
 * Pages of a class with room are in a list; a page without blocks goes back to the system. So what
 * one block costs is its own size, rounded up by an eighth at most, beyond 256 bytes.
 */
import { RespError } from '../../error.js'

const GRANULE_BITS = 4
const GRANULE_BYTES = 1 << GRANULE_BITS
const PLACE_BITS = 14
const PAGE_GRANULES = 1 << PLACE_BITS
const PLACE_MASK = PAGE_GRANULES - 1
const PAGE_BYTES = PAGE_GRANULES * GRANULE_BYTES
const PAGES_MAX = 2 ** (32 - PLACE_BITS)
/** Largest block that shares a page. */
const CLASS_GRANULES_MAX = 1_024
/** Classes for each doubling of the size, above the first ones of a granule more each. */
const STEPS = 8

/** Granules of a block of each class, ascending. */
const CLASS_GRANULES = classSizes()
/** Class of a block by its granules. */
const CLASS_OF = Uint8Array.from({ length: CLASS_GRANULES_MAX + 1 }, (_, granules) =>
  CLASS_GRANULES.findIndex(size => size >= granules),
)

/** Administration of a page, words of `#pages`. */
const WORDS = 6
/** Class; or OWN. */
const CLASS = 0
const LIVE = 1
/** Place of the first free block and one more; 0 = none. */
const FREE = 2
/** Behind the last place that was ever used. */
const FRESH = 3
/** Neighbours in the list of pages with room; NONE at its ends. */
const NEXT = 4
const PREVIOUS = 5

const NONE = -1
/** Class of a page that is one block. */
const OWN = -2

export class Arena {
  /** Bytes of all blocks that are allocated. */
  usedBytes = 0
  readonly #buffers: (Buffer | undefined)[] = []
  #pages = new Int32Array(64 * WORDS)
  /** Pages that were given back: their numbers are used again. */
  readonly #spare: number[] = []
  /** First page with room, by class. */
  readonly #roomy = new Int32Array(CLASS_GRANULES.length).fill(NONE)

  /** The page of a block; the block begins at `offset`. */
  page(address: number): Buffer {
    return this.#buffers[address >>> PLACE_BITS]!
  }

  /** Where in its page a block begins, bytes. */
  offset(address: number): number {
    return (address & PLACE_MASK) << GRANULE_BITS
  }

  /** A block of at least so many bytes; what is in it is undefined.
   *  @throws RespError OOM when there are no more addresses: 64 GiB */
  allocate(bytes: number): number {
    const granules = bytes === 0 ? 1 : (bytes + GRANULE_BYTES - 1) >>> GRANULE_BITS
    if (granules > CLASS_GRANULES_MAX) return this.#allocateOwn(bytes)
    const sizeClass = CLASS_OF[granules]!
    const size = CLASS_GRANULES[sizeClass]!
    let page = this.#roomy[sizeClass]!
    if (page === NONE) page = this.#addPage(sizeClass, PAGE_BYTES)
    const pages = this.#pages
    const at = page * WORDS
    let place = pages[at + FREE]! - 1
    if (place >= 0) {
      pages[at + FREE] = readPlace(this.#buffers[page]!, place << GRANULE_BITS)
    } else {
      place = pages[at + FRESH]!
      pages[at + FRESH] = place + size
    }
    pages[at + LIVE]!++
    if (pages[at + FREE] === 0 && pages[at + FRESH]! + size > PAGE_GRANULES) this.#unlink(page)
    this.usedBytes += size << GRANULE_BITS
    return ((page << PLACE_BITS) | place) >>> 0
  }

  /** Takes a block back. @param bytes as it was allocated */
  free(address: number, bytes: number): void {
    const page = address >>> PLACE_BITS
    const pages = this.#pages
    const at = page * WORDS
    const sizeClass = pages[at + CLASS]!
    if (sizeClass === OWN) {
      this.usedBytes -= bytes
      this.#dropPage(page)
      return
    }
    const size = CLASS_GRANULES[sizeClass]!
    this.usedBytes -= size << GRANULE_BITS
    const wasFull = pages[at + FREE] === 0 && pages[at + FRESH]! + size > PAGE_GRANULES
    // Of each class one empty page stays, for whatever comes next.
    if (--pages[at + LIVE]! === 0 && this.#isSpare(page, sizeClass)) {
      this.#unlink(page)
      this.#dropPage(page)
      return
    }
    writePlace(this.#buffers[page]!, this.offset(address), pages[at + FREE]!)
    pages[at + FREE] = (address & PLACE_MASK) + 1
    if (wasFull) this.#link(page, sizeClass)
  }

  /** Would a block of `from` bytes hold `to` bytes, without wasting more than a class? */
  fits(from: number, to: number): boolean {
    const [old, next] = [granulesOf(from), granulesOf(to)]
    if (old > CLASS_GRANULES_MAX || next > CLASS_GRANULES_MAX) return from === to
    return CLASS_OF[old] === CLASS_OF[next]
  }

  /** Has the class another page with room? */
  #isSpare(page: number, sizeClass: number): boolean {
    return this.#roomy[sizeClass] !== page || this.#pages[page * WORDS + NEXT] !== NONE
  }

  #allocateOwn(bytes: number): number {
    const page = this.#addPage(OWN, bytes)
    this.usedBytes += bytes
    return (page << PLACE_BITS) >>> 0
  }

  #addPage(sizeClass: number, bytes: number): number {
    const page = this.#spare.at(-1) ?? this.#buffers.length
    if (page === PAGES_MAX) {
      throw new RespError('OOM', 'a shard holds at most 64 GiB: set redis.shards higher.')
    }
    // ORDER: the number is taken once there is memory for it.
    this.#buffers[page] = Buffer.allocUnsafeSlow(bytes)
    this.#spare.pop()
    if ((page + 1) * WORDS > this.#pages.length) {
      const grown = new Int32Array(this.#pages.length * 2)
      grown.set(this.#pages)
      this.#pages = grown
    }
    this.#pages.set([sizeClass, 0, 0, 0, NONE, NONE], page * WORDS)
    if (sizeClass !== OWN) this.#link(page, sizeClass)
    return page
  }

  #dropPage(page: number): void {
    this.#buffers[page] = undefined
    this.#spare.push(page)
  }

  #link(page: number, sizeClass: number): void {
    const first = this.#roomy[sizeClass]!
    this.#pages[page * WORDS + NEXT] = first
    this.#pages[page * WORDS + PREVIOUS] = NONE
    if (first !== NONE) this.#pages[first * WORDS + PREVIOUS] = page
    this.#roomy[sizeClass] = page
  }

  #unlink(page: number): void {
    const pages = this.#pages
    const next = pages[page * WORDS + NEXT]!
    const previous = pages[page * WORDS + PREVIOUS]!
    if (next !== NONE) pages[next * WORDS + PREVIOUS] = previous
    if (previous !== NONE) pages[previous * WORDS + NEXT] = next
    else this.#roomy[pages[page * WORDS + CLASS]!] = next
  }
}

function granulesOf(bytes: number): number {
  return bytes === 0 ? 1 : Math.ceil(bytes / GRANULE_BYTES)
}

function classSizes(): Int32Array {
  const sizes: number[] = []
  for (let size = 1; size <= CLASS_GRANULES_MAX; ) {
    sizes.push(size)
    const doubling = 2 ** Math.floor(Math.log2(size))
    size += Math.max(1, doubling / STEPS)
  }
  return Int32Array.from(sizes)
}

function readPlace(page: Buffer, at: number): number {
  return page[at]! | (page[at + 1]! << 8)
}

function writePlace(page: Buffer, at: number, place: number): void {
  page[at] = place
  page[at + 1] = place >>> 8
}
