/**
 * The items of a shard. An item is a number; what it stands for is outside of the JavaScript heap,
 * so that a million of them cost the garbage collector nothing:
 *
 *   words   [ address | name length | value length | record id, low | record id, high, and marks |
 *             place among the dirty | expiry, or hash | slot ]        one cache line holds two
 *   block   [ name | value ]            in the arena, at the address
 *
 * A string is an item with the key as its name. A hash is an item without a value, and each of its
 * fields is an item with the field as its name. Values above 16 KiB are ropes of their own.
 *
 * INVARIANT: a number is used again only after `free`; 0 is no item.
 */

import { Rope } from '../../resp/rope.js'
import { copyBytes, Span } from '../../resp/span.js'
import { HEAP_VALUE_MAX_BYTES, type Value } from '../persistence/record.js'
import { Arena } from './arena.js'

/** What an item is. */
export const ItemKind = { string: 0, hash: 1, field: 2 } as const
export type ItemKind = (typeof ItemKind)[keyof typeof ItemKind]

/** An item that is not dirty. */
export const CLEAN = -1
/** A gone field that is not among the dirty itself: its record is cleared with its hash's. */
export const CLEARED_WITH_HASH = -2

/** Words of an item. */
const WORDS_BITS = 3
const ADDRESS = 0
const NAME_LENGTH = 1
const VALUE_LENGTH = 2
/** Of a hash, which has no record of its own: its number. */
const ID_LOW = 3
const ID_HIGH = 4
const DIRTY_AT = 5
/** Of a key that expires: its number in `Expiries`. Of a field: the number of its hash. */
const LINK = 6
/** Hash slot of a key. */
const SLOT = 7

/** Items in one array of words. */
const CHUNK_BITS = 13
const CHUNK_MASK = (1 << CHUNK_BITS) - 1

/** Record ids are safe integers: their high word has 21 bits, above it are the marks. */
const ID_HIGH_MASK = 2 ** 21 - 1
const KIND_SHIFT = 21
const KIND_MASK = 3
const GONE = 1 << 23
const LARGE = 1 << 24

/** Estimated cost of an item besides its bytes: its words, and its part of an index. */
const ITEM_OVERHEAD_BYTES = 48

/** What a value may be given as: borrowed bytes are copied, a rope above 16 KiB is kept. */
export type NewValue = Span | Value

export class Items {
  readonly #arena = new Arena()
  readonly #chunks: Int32Array[] = []
  /** Values of items marked LARGE. */
  readonly #large = new Map<number, Rope>()
  #largeBytes = 0
  #count = 0
  /** Numbers from here on were never used. */
  #fresh = 1
  /** First of the free ones, each of which has the next one as its address. */
  #free = 0

  /** Estimated bytes of names, values and their administration. */
  get usedBytes(): number {
    return this.#arena.usedBytes + this.#largeBytes + this.#count * ITEM_OVERHEAD_BYTES
  }

  /** A new item. ORDER: all memory first, so that nothing has changed when there is none.
   *  @param link  see the words. @throws RespError OOM */
  create(kind: ItemKind, name: Span, value: NewValue, link: number): number {
    const large = largeOf(value)
    const inBlock = large === undefined ? value.length : 0
    this.#reserve()
    const address = this.#arena.allocate(name.length + inBlock)
    const item = this.#take()
    const words = this.#words(item)
    const at = wordsOf(item)
    words[at + ID_LOW] = 0
    words[at + ID_HIGH] = kind << KIND_SHIFT
    words[at + DIRTY_AT] = CLEAN
    words[at + LINK] = link
    words[at + ADDRESS] = address
    words[at + NAME_LENGTH] = name.length
    words[at + VALUE_LENGTH] = inBlock
    const page = this.#arena.page(address)
    const offset = this.#arena.offset(address)
    copyBytes(page, offset, name)
    if (large !== undefined) this.#keepLarge(item, large)
    else write(page, offset + name.length, value)
    return item
  }

  /** Gives an item another value. @throws RespError OOM, and it keeps the one it has */
  setValue(item: number, value: NewValue): void {
    const words = this.#words(item)
    const at = wordsOf(item)
    const large = largeOf(value)
    const inBlock = large === undefined ? value.length : 0
    if (words[at + VALUE_LENGTH] !== inBlock) this.#resize(item, inBlock)
    if (words[at + ID_HIGH]! & LARGE) this.#dropLarge(item)
    if (large !== undefined) {
      this.#keepLarge(item, large)
      return
    }
    const address = words[at + ADDRESS]!
    const offset = this.#arena.offset(address) + words[at + NAME_LENGTH]!
    write(this.#arena.page(address), offset, value)
  }

  /** Gives an item another name. @throws RespError OOM, and it keeps the one it has */
  rename(item: number, name: Span): void {
    const words = this.#words(item)
    const at = wordsOf(item)
    const value = this.#blockSpan(item, words[at + NAME_LENGTH]!, words[at + VALUE_LENGTH]!)
    const address = this.#arena.allocate(name.length + value.length)
    const page = this.#arena.page(address)
    const offset = this.#arena.offset(address)
    copyBytes(page, offset, name)
    copyBytes(page, offset + name.length, value)
    this.#arena.free(words[at + ADDRESS]!, words[at + NAME_LENGTH]! + value.length)
    words[at + ADDRESS] = address
    words[at + NAME_LENGTH] = name.length
  }

  /** Marks an item as no longer there, and forgets its name and value. */
  drop(item: number): void {
    const words = this.#words(item)
    const at = wordsOf(item)
    if (words[at + ID_HIGH]! & LARGE) this.#dropLarge(item)
    const bytes = words[at + NAME_LENGTH]! + words[at + VALUE_LENGTH]!
    this.#arena.free(words[at + ADDRESS]!, bytes)
    words[at + ID_HIGH] = words[at + ID_HIGH]! | GONE
  }

  /** An item without name and value that is not there: it stands for a record. */
  createGone(recordId: number): number {
    const item = this.create(ItemKind.string, NO_BYTES, NO_BYTES, 0)
    this.drop(item)
    this.setRecordId(item, recordId)
    return item
  }

  /** Gives the number of a dropped item back. */
  free(item: number): void {
    this.#words(item)[wordsOf(item) + ADDRESS] = this.#free
    this.#free = item
    this.#count--
  }

  hasName(item: number, { bytes, start, end }: Span): boolean {
    const words = this.#words(item)
    const at = wordsOf(item)
    if (words[at + NAME_LENGTH] !== end - start) return false
    const address = words[at + ADDRESS]!
    const page = this.#arena.page(address)
    let stored = this.#arena.offset(address)
    for (let i = start; i < end; i++) if (page[stored++] !== bytes[i]) return false
    return true
  }

  /** The bytes of a name, borrowed. */
  nameOf(item: number): Span {
    return this.#blockSpan(item, 0, this.#words(item)[wordsOf(item) + NAME_LENGTH]!)
  }

  /** The bytes of a value, borrowed until the item changes; a rope stays as it is. */
  valueOf(item: number): Span | Rope {
    const words = this.#words(item)
    const at = wordsOf(item)
    if (words[at + ID_HIGH]! & LARGE) return this.#large.get(item)!
    return this.#blockSpan(item, words[at + NAME_LENGTH]!, words[at + VALUE_LENGTH]!)
  }

  valueLength(item: number): number {
    const words = this.#words(item)
    const at = wordsOf(item)
    if (words[at + ID_HIGH]! & LARGE) return this.#large.get(item)!.length
    return words[at + VALUE_LENGTH]!
  }

  kindOf(item: number): ItemKind {
    return ((this.#marks(item) >>> KIND_SHIFT) & KIND_MASK) as ItemKind
  }

  /** Is it still what commands see? */
  isLive(item: number): boolean {
    return (this.#marks(item) & GONE) === 0
  }

  /** 0 = not in the volume, and in no batch. */
  recordIdOf(item: number): number {
    const words = this.#words(item)
    const at = wordsOf(item)
    return (words[at + ID_HIGH]! & ID_HIGH_MASK) * 2 ** 32 + (words[at + ID_LOW]! >>> 0)
  }

  setRecordId(item: number, id: number): void {
    const words = this.#words(item)
    const at = wordsOf(item)
    words[at + ID_LOW] = id | 0
    words[at + ID_HIGH] = (words[at + ID_HIGH]! & ~ID_HIGH_MASK) | Math.floor(id / 2 ** 32)
  }

  /** For `DirtyItems`. */
  dirtyAt(item: number): number {
    return this.#words(item)[wordsOf(item) + DIRTY_AT]!
  }

  /** For `DirtyItems`. */
  setDirtyAt(item: number, place: number): void {
    this.#words(item)[wordsOf(item) + DIRTY_AT] = place
  }

  /** Number of what a key holds that is a hash. */
  hashOf(item: number): number {
    return this.#words(item)[wordsOf(item) + ID_LOW]!
  }

  setHash(item: number, hash: number): void {
    this.#words(item)[wordsOf(item) + ID_LOW] = hash
  }

  linkOf(item: number): number {
    return this.#words(item)[wordsOf(item) + LINK]!
  }

  setLink(item: number, link: number): void {
    this.#words(item)[wordsOf(item) + LINK] = link
  }

  /** Of a key. */
  slotOf(item: number): number {
    return this.#words(item)[wordsOf(item) + SLOT]!
  }

  setSlot(item: number, slot: number): void {
    this.#words(item)[wordsOf(item) + SLOT] = slot
  }

  /** Has words for one more item. */
  #reserve(): void {
    if (this.#free !== 0 || this.#fresh >>> CHUNK_BITS < this.#chunks.length) return
    this.#chunks.push(new Int32Array(1 << (CHUNK_BITS + WORDS_BITS)))
  }

  /** The number of an item whose words were reserved. */
  #take(): number {
    this.#count++
    const item = this.#free
    if (item === 0) return this.#fresh++
    this.#free = this.#words(item)[wordsOf(item) + ADDRESS]!
    return item
  }

  #words(item: number): Int32Array {
    return this.#chunks[item >>> CHUNK_BITS]!
  }

  #marks(item: number): number {
    return this.#words(item)[wordsOf(item) + ID_HIGH]!
  }

  #blockSpan(item: number, from: number, length: number): Span {
    const address = this.#words(item)[wordsOf(item) + ADDRESS]!
    const start = this.#arena.offset(address) + from
    return new Span(this.#arena.page(address), start, start + length)
  }

  /** Makes room for a value of another length; what the value was is lost. */
  #resize(item: number, valueLength: number): void {
    const words = this.#words(item)
    const at = wordsOf(item)
    const nameLength = words[at + NAME_LENGTH]!
    const old = nameLength + words[at + VALUE_LENGTH]!
    const next = nameLength + valueLength
    if (!this.#arena.fits(old, next)) {
      const name = this.#blockSpan(item, 0, nameLength)
      const address = this.#arena.allocate(next)
      copyBytes(this.#arena.page(address), this.#arena.offset(address), name)
      this.#arena.free(words[at + ADDRESS]!, old)
      words[at + ADDRESS] = address
    }
    words[at + VALUE_LENGTH] = valueLength
  }

  #keepLarge(item: number, kept: Rope): void {
    this.#large.set(item, kept)
    this.#largeBytes += kept.length
    const at = wordsOf(item)
    this.#words(item)[at + ID_HIGH] = this.#words(item)[at + ID_HIGH]! | LARGE
  }

  #dropLarge(item: number): void {
    this.#largeBytes -= this.#large.get(item)!.length
    this.#large.delete(item)
    const at = wordsOf(item)
    this.#words(item)[at + ID_HIGH] = this.#words(item)[at + ID_HIGH]! & ~LARGE
  }
}

const NO_BYTES = Span.of('')

function wordsOf(item: number): number {
  return (item & CHUNK_MASK) << WORDS_BITS
}

function write(page: Buffer, at: number, value: NewValue): void {
  if (value instanceof Span) copyBytes(page, at, value)
  else if (typeof value !== 'string') value.copyTo(page, at)
  else for (let i = 0; i < value.length; i++) page[at + i] = value.charCodeAt(i)
}

/** A value that is kept as a rope of its own; undefined for one that goes into the block. */
function largeOf(value: NewValue): Rope | undefined {
  if (value.length <= HEAP_VALUE_MAX_BYTES) return undefined
  return value instanceof Rope ? value : Rope.of(value)
}
