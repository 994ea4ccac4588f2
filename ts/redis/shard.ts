/**
 * The data of one REDIS shard in memory, and what of it is not in the volume yet. Commands work on
 * it synchronously; the syncer takes batches of what is dirty.
 *
 *   part ──▶ key: a string, which is the item that is persisted
 *        └─▶ key: a hash ──▶ fields, each an item that is persisted
 *
 * Each item that was ever given to the syncer has a record id for life. INVARIANT: an item that is
 * gone and has an id is in `dirty`, or its hash is, until a batch that clears its record has
 * committed, so a deleted key does not come back after a restart.
 */

import { RespError } from '../error.js'
import type { Rope } from '../resp/rope.js'
import { Span } from '../resp/span.js'
import { nowMs } from './clock.js'
import { DirtyItems } from './memory/dirty-items.js'
import { Expiries } from './memory/expiries.js'
import { ItemKind, Items, type NewValue } from './memory/items.js'
import { KeyTables } from './memory/key-tables.js'
import { LargeHashes } from './memory/large-hashes.js'
import { type Batch, Moves } from './memory/moves.js'
import { NameTable } from './memory/name-table.js'
import {
  encodeRecord,
  encodeRecordHead,
  type NewRecord,
  RECORD_HEADER_BYTES,
  RecordKind,
  type Value,
} from './persistence/record.js'

/** What a record of the volume says; its bytes are borrowed. */
export interface StoredItem {
  readonly key: Span
  /** Undefined for a string. */
  readonly field: Span | undefined
  readonly value: Span | Rope
  readonly recordId: number
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
}

/** What a key holds that is a hash. */
export interface Hash {
  readonly key: number
  readonly fields: NameTable
}

/** Estimated cost of a hash besides its items: its table. */
const HASH_OVERHEAD_BYTES = 240
/** A command that concerns all fields of a hash goes over so many itself; see `LargeHashes`. */
const SMALL_HASH_FIELDS = 1_000

const WRONG_TYPE = 'Operation against a key holding the wrong kind of value'

export class ShardData {
  readonly id: number
  /** Items that differ from their record, and those whose record has to go since they are not live
   *  any more. ORDER: oldest first, so that what is persisted is a past state of the shard. */
  dirty!: DirtyItems
  lastRecordId = 0
  /** How often everything was forgotten. */
  clears = -1
  #items!: Items
  #keys!: KeyTables
  #hashes!: (Hash | undefined)[]
  #spareHashes!: number[]
  #expiries!: Expiries
  #moves!: Moves
  #large!: LargeHashes
  readonly #smallFields: number

  /** @param smallFields  a hash with more of them is a large one */
  constructor(id: number, smallFields = SMALL_HASH_FIELDS) {
    this.id = id
    this.#smallFields = smallFields
    this.clear()
  }

  get size(): number {
    return this.#keys.size
  }

  get expiringSize(): number {
    return this.#expiries.size
  }

  /** Estimated bytes of keys, values and their administration. */
  get usedBytes(): number {
    const hashes = this.#hashes.length - this.#spareHashes.length
    return this.#items.usedBytes + hashes * HASH_OVERHEAD_BYTES
  }

  /** The keys in parts; expired ones included. */
  get parts(): readonly NameTable[] {
    return this.#keys.parts
  }

  get isDirty(): boolean {
    return this.dirty.size > 0
  }

  /** The item of a live key, 0 when there is none; one that has expired is removed.
   *  @param slot hash slot of the key */
  find(slot: number, key: Span): number {
    const item = this.#keys.find(slot, key)
    if (item === 0 || this.#items.linkOf(item) === 0 || this.isUnexpired(item)) return item
    this.delete(slot, key)
    return 0
  }

  /** As `find`, but one that has expired is left to others: what was borrowed stays as it is. */
  peek(slot: number, key: Span): number {
    const item = this.#keys.find(slot, key)
    return item !== 0 && this.isUnexpired(item) ? item : 0
  }

  /** As `find`, of a string. @throws RespError WRONGTYPE */
  findString(slot: number, key: Span): number {
    const item = this.find(slot, key)
    if (item !== 0 && this.#items.kindOf(item) !== ItemKind.string) throw wrongType()
    return item
  }

  /** The hash of a live key. @throws RespError WRONGTYPE */
  findHash(slot: number, key: Span): Hash | undefined {
    const item = this.find(slot, key)
    if (item === 0) return undefined
    if (this.#items.kindOf(item) !== ItemKind.hash) throw wrongType()
    return this.#hashes[this.#items.hashOf(item)]
  }

  /** Is the time not over yet at which a key expires? It lasts to the end of that millisecond, so
   *  none is shorter than was asked for. */
  isUnexpired(key: number): boolean {
    const expiresAtMs = this.#expiries.get(key)
    return expiresAtMs === 0 || expiresAtMs >= nowMs()
  }

  /** What a key holds. */
  typeOf(key: number): 'string' | 'hash' {
    return this.#items.kindOf(key) === ItemKind.string ? 'string' : 'hash'
  }

  /** Expiry of a key, Unix time in ms, 0 = never. */
  expiryOf(key: number): number {
    return this.#expiries.get(key)
  }

  /** Name of a key or a field; borrowed until it changes. */
  nameOf(item: number): Span {
    return this.#items.nameOf(item)
  }

  /** Value of a string or a field: its own. */
  valueOf(item: number): Value {
    const value = this.#items.valueOf(item)
    return value instanceof Span ? value.latin1() : value
  }

  /** As `valueOf`, but borrowed until it changes. */
  borrow(item: number): Span | Rope {
    return this.#items.valueOf(item)
  }

  /** Length of the value of a string or a field, bytes. */
  lengthOf(item: number): number {
    return this.#items.valueLength(item)
  }

  /** Sets a string, whatever the key held before. @param expiresAtMs 0 = never
   *  @throws RespError OOM */
  setString(slot: number, key: Span, value: NewValue, expiresAtMs: number): void {
    const old = this.#keys.find(slot, key)
    if (old !== 0 && this.#items.kindOf(old) === ItemKind.string) {
      this.replace(old, value)
      this.#expiries.set(old, expiresAtMs)
      return
    }
    const item = this.#items.create(ItemKind.string, key, value, 0)
    if (old !== 0) this.#removeKey(old, key, { slot, isTaken: true })
    this.#keys.add(slot, item, key)
    this.dirty.add(item)
    if (expiresAtMs !== 0) this.#expiries.set(item, expiresAtMs)
  }

  /** Gives a string or a field another value. @throws RespError OOM */
  replace(item: number, value: NewValue): void {
    this.#items.setValue(item, value)
    this.dirty.add(item)
  }

  /** Sets a field of a hash, which is made when absent. @returns true when the field is new
   *  @throws RespError WRONGTYPE, OOM */
  setField(slot: number, key: Span, field: Span, value: NewValue): boolean {
    const hash = this.findHash(slot, key) ?? this.#newHash(slot, key)
    const item = hash.fields.find(field)
    if (item === 0) this.#addField(hash, field, value)
    else this.replace(item, value)
    return item === 0
  }

  /** Deletes a field of a hash, and the hash with its last one. @returns true when it was there
   *  @throws RespError WRONGTYPE */
  deleteField(slot: number, key: Span, field: Span): boolean {
    const hash = this.findHash(slot, key)
    const item = hash === undefined ? 0 : hash.fields.find(field)
    if (hash === undefined || item === 0) return false
    hash.fields.remove(item, field)
    this.#moves.follow(item, hash.key)
    this.#dropItem(item, key.latin1())
    if (hash.fields.size === 0) this.#removeKey(hash.key, key, { slot, isTaken: false })
    return true
  }

  /** Forgets everything, and that it was ever in the volume: whoever calls has that wiped. */
  clear(): void {
    this.clears++
    this.#items = new Items()
    this.dirty = new DirtyItems(this.#items)
    this.#keys = new KeyTables(this.#items)
    this.#hashes = []
    this.#spareHashes = []
    this.#expiries = new Expiries(this.#items)
    this.#moves = new Moves()
    this.#large = new LargeHashes({ items: this.#items, dirty: this.dirty, moves: this.#moves })
  }

  /** @returns true when the key existed */
  delete(slot: number, key: Span): boolean {
    const item = this.#keys.find(slot, key)
    if (item === 0) return false
    const existed = this.isUnexpired(item)
    this.#removeKey(item, key, { slot, isTaken: false })
    return existed
  }

  /** Changes when a key expires, which each of its records says. @param expiresAtMs 0 = never
   *  @returns true when the key exists */
  expire(slot: number, key: Span, expiresAtMs: number): boolean {
    const item = this.find(slot, key)
    if (item === 0) return false
    if (this.#expiries.get(item) === expiresAtMs) return true
    this.#expiries.set(item, expiresAtMs)
    this.#touch(item)
    return true
  }

  /** Gives all that a key has, its expiry too, to another key of its slot, whatever that held.
   *  @returns true when the key exists. @throws RespError OOM */
  rename(slot: number, from: Span, to: Span): boolean {
    const key = this.find(slot, from)
    if (key === 0 || this.#items.hasName(key, to)) return key !== 0
    const old = this.find(slot, to)
    // ORDER: what may fail comes first.
    this.#items.rename(key, to)
    if (old !== 0) this.#removeKey(old, to, { slot, isTaken: true })
    const left = from.latin1()
    this.#keys.remove(slot, key, from)
    this.#keys.add(slot, key, to)
    if (this.#isLarge(key)) {
      this.#large.move(key, this.#fieldsOf(key), { left, slot })
      return true
    }
    for (const item of this.#persisted(key)) {
      if (this.#items.recordIdOf(item) !== 0) this.#moves.leave(item, left)
      this.#moves.bind(item, slot)
      this.dirty.delete(item)
      this.dirty.add(item)
    }
    return true
  }

  /**
   * Puts back what a record says. ORDER: by record id, ascending: of two records for one thing the
   * later counts, and the earlier, which a crash kept from being cleared, is cleared after all.
   */
  restore(slot: number, { key, field, value, recordId, expiresAtMs }: StoredItem): void {
    this.lastRecordId = Math.max(this.lastRecordId, recordId)
    const old = this.#keys.find(slot, key)
    const isField = field !== undefined
    const oldHash = old !== 0 && this.#items.kindOf(old) === ItemKind.hash
    if (old !== 0 && !(isField && oldHash)) this.#removeKey(old, key, { slot, isTaken: false })
    if (!isField) {
      const item = this.#items.create(ItemKind.string, key, value, 0)
      this.#items.setRecordId(item, recordId)
      this.#keys.add(slot, item, key)
      this.#expiries.set(item, expiresAtMs)
      return
    }
    const hash = oldHash ? this.#hashes[this.#items.hashOf(old)]! : this.#newHash(slot, key)
    const earlier = hash.fields.find(field)
    if (earlier !== 0) {
      hash.fields.remove(earlier, field)
      this.#dropItem(earlier, key.latin1())
    }
    const item = this.#items.create(ItemKind.field, field, value, this.#items.hashOf(hash.key))
    this.#items.setRecordId(item, recordId)
    hash.fields.add(item, field)
    if (oldHash) this.#joinExpiry(hash, item, expiresAtMs)
    else this.#expiries.set(hash.key, expiresAtMs)
  }

  /** Has a record cleared that stands for nothing any more. */
  discard(recordId: number): void {
    this.lastRecordId = Math.max(this.lastRecordId, recordId)
    this.dirty.add(this.#items.createGone(recordId))
  }

  /** Drops fields of large hashes that are gone, whose memory is free then. ORDER: all of them
   *  before a batch is taken. @param count  of them, at most. @returns true when all are dropped */
  dropFields(count: number): boolean {
    return this.#large.drop(count)
  }

  /** Adds a dirty item, or the fields of a large hash, to a batch: behind all that has to be
   *  written first, which is what leaves its key, and with all that has to be written with it.
   *  @returns  false when the batch is full before that is done */
  joinBatch(item: number, batch: Batch): boolean {
    const { items, hashes, path } = batch
    if (items.has(item) || path.has(item) || !this.dirty.has(item)) return true
    if (hashes.get(item)?.isWhole) return true
    if (!this.#joinLeavers(item, batch) || batch.isFull) return false
    if (this.#items.kindOf(item) === ItemKind.hash) {
      if (!this.#large.join(item, batch, field => this.recordBytes(field))) return false
    } else {
      batch.add(item, this.#items.isLive(item) ? this.recordBytes(item) : 0)
    }
    const slot = this.#boundSlotOf(item)
    return slot === undefined || this.#joinKey(slot, this.keyOf(item), batch)
  }

  #joinLeavers(item: number, batch: Batch): boolean {
    const { path, left } = batch
    if (this.#moves.isEmpty || batch.isDeep || !this.#items.isLive(item)) return true
    const key = this.keyOf(item)
    if (left.has(key)) return true
    path.add(item)
    for (const leaver of this.#moves.leaversOf(key)) {
      if (!this.joinBatch(leaver, batch)) return false
    }
    path.delete(item)
    left.add(key)
    return true
  }

  /** Slot of the key that an item is written with, itself or as a field. */
  #boundSlotOf(item: number): number | undefined {
    const slot = this.#moves.slotOf(item)
    if (slot !== undefined || this.#moves.isEmpty || !this.#items.isLive(item)) return slot
    return this.#moves.slotOf(this.#keyItemOf(item))
  }

  #joinKey(slot: number, key: string, batch: Batch): boolean {
    if (batch.keys.has(key)) return true
    batch.keys.add(key)
    const holder = this.#keys.find(slot, Span.of(key))
    if (holder === 0) return true
    if (this.#isLarge(holder)) {
      if (!this.dirty.has(holder)) this.#touch(holder)
      return this.joinBatch(holder, batch)
    }
    for (const one of this.#persisted(holder)) if (!this.joinBatch(one, batch)) return false
    return true
  }

  /** Takes a batch out of `dirty`, and gives each item its record. ORDER: once for all that joined
   *  it, and no other before it is written or put back. @returns the first id that is new */
  take(batch: Batch): number {
    const firstNewId = this.lastRecordId + 1
    for (const item of batch.items) {
      this.dirty.delete(item)
      if (this.#items.recordIdOf(item) === 0) this.#items.setRecordId(item, ++this.lastRecordId)
    }
    this.#large.take(batch)
    return firstNewId
  }

  /** Says that a batch has committed. */
  written(batch: Batch): void {
    for (const item of batch.items) {
      // One that changed again meanwhile is yet to be written.
      if (this.dirty.has(item)) continue
      this.#moves.settle(item)
      if (!this.#items.isLive(item)) this.#items.free(item)
    }
    this.#large.written(batch)
  }

  /** Puts a batch back that failed, in front of what became dirty meanwhile. */
  putBack(batch: Batch): void {
    const hashes = this.#large.putBack(batch)
    // What changed again keeps its place: a moved record comes behind the one that it replaces.
    this.dirty.putInFront([...batch.items, ...hashes])
  }

  /** Key of a string, of a field, or of what is gone and had one. */
  keyOf(item: number): string {
    if (!this.#items.isLive(item)) return this.#moves.keyLeft(item) ?? ''
    return this.#items.nameOf(this.#keyItemOf(item)).latin1()
  }

  isLive(item: number): boolean {
    return this.#items.isLive(item)
  }

  /** 0 = not in the volume, and in no batch. */
  recordIdOf(item: number): number {
    return this.#items.recordIdOf(item)
  }

  /** Length of the record of an item that is live. */
  recordBytes(item: number): number {
    const key = this.#keyItemOf(item)
    const fieldBytes = key === item ? 0 : this.#items.nameOf(item).length
    const valueBytes = this.#items.valueLength(item)
    return RECORD_HEADER_BYTES + this.#items.nameOf(key).length + fieldBytes + valueBytes
  }

  /** Writes the record of an item that is live. @returns where it ends */
  encode(item: number, target: Buffer, at: number): number {
    return encodeRecord(target, at, this.#recordOf(item))
  }

  /** As `encode`, without the value, at the beginning of `target`. */
  encodeHead(item: number, target: Buffer): number {
    return encodeRecordHead(target, 0, this.#recordOf(item))
  }

  /** Expiry of the key of an item that is live, 0 = never. */
  recordExpiry(item: number): number {
    return this.#expiries.get(this.#keyItemOf(item))
  }

  /** Looks at the next `count` keys that expire, in turn, until it is so late on the clock of
   *  `performance`. @returns how many of them had expired */
  sweep(count: number, untilMs: number): number {
    let expired = 0
    for (let i = 0; i < count && this.#expiries.size > 0; i++) {
      const key = this.#expiries.next()
      if (key === undefined) return expired
      if (this.isUnexpired(key)) continue
      expired++
      this.#removeOwn(key)
      if (performance.now() >= untilMs) return expired
    }
    return expired
  }

  /** Keys, without those that have expired unless more than `most` keys expire at all. */
  countKeys(most: number): number {
    if (this.#expiries.size > most) return this.size
    return this.size - [...this.#expiries.expiredAt(nowMs())].length
  }

  /** As `countKeys`, of one slot. */
  countInSlot(slot: number, most: number): number {
    let count = this.#keys.countInSlot(slot)
    if (this.#expiries.size > most) return count
    for (const key of this.#expiries.expiredAt(nowMs())) {
      if (this.#items.slotOf(key) === slot) count--
    }
    return count
  }

  /** Live keys of one slot. @yields in no order; nothing may change meanwhile */
  *keysInSlot(slot: number): Iterable<string> {
    for (const key of this.#keys.inSlot(slot)) {
      if (this.isUnexpired(key)) yield this.#items.nameOf(key).latin1()
    }
  }

  /** @throws RespError OOM, and a hash that has no other field is gone */
  #addField({ key, fields }: Hash, field: Span, value: NewValue): void {
    let item: number
    try {
      item = this.#items.create(ItemKind.field, field, value, this.#items.hashOf(key))
    } catch (error) {
      if (fields.size === 0) this.#removeOwn(key)
      throw error
    }
    fields.add(item, field)
    this.dirty.add(item)
  }

  /** Removes a key that nobody has named. */
  #removeOwn(key: number): void {
    // A copy: the name goes with the key.
    const name = Span.of(this.#items.nameOf(key).latin1())
    this.#removeKey(key, name, { slot: this.#items.slotOf(key), isTaken: false })
  }

  #newHash(slot: number, key: Span): Hash {
    const item = this.#items.create(ItemKind.hash, key, NO_VALUE, 0)
    const number = this.#spareHashes.pop() ?? this.#hashes.length
    const hash: Hash = { key: item, fields: new NameTable(this.#items) }
    this.#hashes[number] = hash
    this.#items.setHash(item, number)
    this.#keys.add(slot, item, key)
    return hash
  }

  #recordOf(item: number): NewRecord {
    const key = this.#keyItemOf(item)
    const isField = key !== item
    return {
      kind: isField ? RecordKind.hashField : RecordKind.string,
      expiresAtMs: this.#expiries.get(key),
      key: this.#items.nameOf(key),
      field: isField ? this.#items.nameOf(item) : undefined,
      value: this.#items.valueOf(item),
    }
  }

  /** The item of the key that an item belongs to: itself unless it is a field. */
  #keyItemOf(item: number): number {
    if (this.#items.kindOf(item) !== ItemKind.field) return item
    return this.#hashes[this.#items.linkOf(item)]!.key
  }

  /** What of a key is persisted: a string itself, of a hash the fields. */
  #persisted(key: number): Iterable<number> {
    return this.#items.kindOf(key) === ItemKind.string ? [key] : this.#fieldsOf(key)
  }

  #fieldsOf(hash: number): NameTable {
    return this.#hashes[this.#items.hashOf(hash)]!.fields
  }

  /** Is a key a hash with many fields, or one that is still treated as such? */
  #isLarge(key: number): boolean {
    if (this.#items.kindOf(key) !== ItemKind.hash) return false
    return this.#fieldsOf(key).size > this.#smallFields || this.#large.has(key)
  }

  /** Has all records of a key written again. */
  #touch(key: number): void {
    if (this.#isLarge(key)) this.#large.touch(key, this.#fieldsOf(key))
    else for (const item of this.#persisted(key)) this.dirty.add(item)
  }

  /** Records of a hash that tell different expiries are those of a change that a crash cut short:
   *  the latest counts for all. */
  #joinExpiry({ key }: Hash, item: number, expiresAtMs: number): void {
    const joined = this.#expiries.get(key)
    if (expiresAtMs === joined) return
    if (joined === 0 || (expiresAtMs !== 0 && expiresAtMs < joined)) {
      this.dirty.add(item)
      return
    }
    this.#expiries.set(key, expiresAtMs)
    this.#touch(key)
  }

  /** Removes a key with all that it holds. @param isTaken  something else takes the key now */
  #removeKey(item: number, key: Span, { slot, isTaken }: { slot: number; isTaken: boolean }): void {
    this.#keys.remove(slot, item, key)
    this.#expiries.set(item, 0)
    const name = key.latin1()
    if (this.#items.kindOf(item) === ItemKind.string) {
      this.#dropItem(item, name, isTaken ? slot : undefined)
      return
    }
    const taken = isTaken ? slot : undefined
    const fields = this.#fieldsOf(item)
    const isLarge = this.#isLarge(item)
    const number = this.#items.hashOf(item)
    this.#hashes[number] = undefined
    this.#spareHashes.push(number)
    if (isLarge) {
      this.#large.remove(item, fields, { left: name, taken })
      return
    }
    for (const field of fields) this.#dropItem(field, name, taken)
    this.#items.drop(item)
    this.#items.free(item)
  }

  /** @param key    of the item
   *  @param taken  slot of the key, when something else takes it now */
  #dropItem(item: number, key: string, taken?: number): void {
    this.#items.drop(item)
    this.dirty.delete(item)
    if (this.#items.recordIdOf(item) === 0) {
      this.#moves.settle(item)
      this.#items.free(item)
      return
    }
    this.#moves.leave(item, key)
    if (taken !== undefined) this.#moves.bind(item, taken)
    this.dirty.add(item)
  }
}

const NO_VALUE = Span.of('')

function wrongType(): RespError {
  return new RespError('WRONGTYPE', WRONG_TYPE)
}
