/**
 * The data of one REDIS shard in memory, and what of it is not in the volume yet. Commands work on
 * it synchronously; the syncer takes batches of what is dirty.
 *
 * Each string and each hash field is one item, and each item that was ever given to the syncer has
 * a record id for life. INVARIANT: an item that is gone and has an id is in `dirty` until a batch
 * that clears its record has committed, so a deleted key does not come back after a restart.
 */

import { RespError } from '../error.js'
import type { Value } from './record.js'

/** What is persisted as one record. */
export interface Item {
  /** Changes when the key is renamed. */
  key: string
  /** Undefined for a string. */
  readonly field: string | undefined
  value: Value
  /** 0 = not in the volume, and in no batch. */
  recordId: number
  /** Still what commands see. */
  isLive: boolean
}

export interface StringEntry {
  readonly kind: 'string'
  readonly item: Item
  /** Unix time in ms, 0 = never. */
  expiresAtMs: number
}

export interface HashEntry {
  readonly kind: 'hash'
  readonly fields: Map<string, Item>
  expiresAtMs: number
}

export type Entry = StringEntry | HashEntry

/** Items that are about to be written. */
export class Batch {
  readonly items = new Set<Item>()
  /** Keys all of which has joined. */
  readonly keys = new Set<string>()
  /** Items that wait for others to join first. */
  readonly path = new Set<Item>()

  bytes = 0

  /** @param most       items at most
   *  @param mostBytes  beyond these bytes nothing more joins */
  constructor(
    readonly most: number,
    readonly mostBytes: number,
  ) {}

  get isFull(): boolean {
    return this.items.size >= this.most || this.bytes > this.mostBytes
  }

  add(item: Item): void {
    this.items.add(item)
    if (item.isLive) this.bytes += contentBytes(item)
  }
}

/** A Map ends at 16.7 million entries, so the keys are spread. */
const MAP_COUNT = 64

/** Renames that a batch follows from key to key. */
const LEAVER_DEPTH = 1_000

const WRONG_TYPE = 'Operation against a key holding the wrong kind of value'

/** Estimated cost of an entry besides its bytes: map slot, entry, item. */
const ITEM_OVERHEAD_BYTES = 160

export class ShardData {
  readonly id: number
  /** False while the records of the volume are being loaded. */
  isLoaded = false
  /** Items that differ from their record, and those whose record has to go since they are not live
   *  any more. ORDER: oldest first, so that what is persisted is a past state of the shard. */
  readonly dirty = new Set<Item>()
  /** Estimated bytes of keys, values and their administration. */
  usedBytes = 0
  lastRecordId = 0
  /** Items whose record may still bear a key that is theirs no more, by that key, and those keys by
   *  item. INVARIANT: they are written before, or together with, whatever has the key now: records
   *  of two lives of a key are never on disk at once. */
  readonly #leavers = new Map<string, Set<Item>>()
  readonly #leftKeys = new Map<Item, Set<string>>()
  /** Items that moved, or that something else took the key of, by the slot of their key: they are
   *  written together with all that the key has now, so that no rename is on disk in part. */
  readonly #together = new Map<Item, number>()
  readonly #maps = Array.from({ length: MAP_COUNT }, () => new Map<string, Entry>())
  /** Keys with an expiry. */
  readonly #expiring = new Set<string>()
  #sweep: Iterator<string> | undefined

  constructor(id: number) {
    this.id = id
  }

  get size(): number {
    let total = 0
    for (const map of this.#maps) total += map.size
    return total
  }

  get expiringSize(): number {
    return this.#expiring.size
  }

  /** The keys in parts, each in the order in which they came; expired ones included. */
  get parts(): readonly ReadonlyMap<string, Entry>[] {
    return this.#maps
  }

  get isDirty(): boolean {
    return this.dirty.size > 0
  }

  /** The live entry of a key; one that has expired is removed. @param slot hash slot of the key */
  get(slot: number, key: string): Entry | undefined {
    const entry = this.#mapOf(slot).get(key)
    if (entry === undefined || entry.expiresAtMs === 0) return entry
    if (entry.expiresAtMs > Date.now()) return entry
    this.delete(slot, key)
    return undefined
  }

  /** @throws RespError WRONGTYPE */
  getString(slot: number, key: string): StringEntry | undefined {
    const entry = this.get(slot, key)
    if (entry !== undefined && entry.kind !== 'string') throw new RespError('WRONGTYPE', WRONG_TYPE)
    return entry
  }

  /** @throws RespError WRONGTYPE */
  getHash(slot: number, key: string): HashEntry | undefined {
    const entry = this.get(slot, key)
    if (entry !== undefined && entry.kind !== 'hash') throw new RespError('WRONGTYPE', WRONG_TYPE)
    return entry
  }

  /** Sets a string, whatever the key held before. @param expiresAtMs 0 = never */
  setString(slot: number, key: string, value: Value, expiresAtMs: number): void {
    const map = this.#mapOf(slot)
    const old = map.get(key)
    if (old?.kind === 'string') {
      this.#setValue(old.item, value)
      this.#setExpiry(key, old, expiresAtMs)
      return
    }
    if (old !== undefined) this.#overwrite(slot, old)
    const entry: StringEntry = {
      kind: 'string',
      item: this.#newItem(key, undefined, value),
      expiresAtMs: 0,
    }
    map.set(key, entry)
    this.#setExpiry(key, entry, expiresAtMs)
  }

  /** Sets a field of a hash, which is made when absent. @returns true when the field is new */
  setField(slot: number, key: string, field: string, value: Value): boolean {
    const hash = this.getHash(slot, key) ?? this.#newHash(slot, key)
    const item = hash.fields.get(field)
    if (item !== undefined) {
      this.#setValue(item, value)
      return false
    }
    hash.fields.set(field, this.#newItem(key, field, value))
    return true
  }

  /** Deletes a field of a hash, and the hash with its last one. @returns true when it was there
   *  @throws RespError WRONGTYPE */
  deleteField(slot: number, key: string, field: string): boolean {
    const hash = this.getHash(slot, key)
    const item = hash?.fields.get(field)
    if (hash === undefined || item === undefined) return false
    hash.fields.delete(field)
    this.#dropItem(item)
    if (hash.fields.size === 0) {
      this.#mapOf(slot).delete(key)
      this.#expiring.delete(key)
    }
    return true
  }

  /** Forgets everything, and that it was ever in the volume: whoever calls has that wiped. */
  clear(): void {
    for (const map of this.#maps) map.clear()
    this.#expiring.clear()
    this.dirty.clear()
    this.#leavers.clear()
    this.#leftKeys.clear()
    this.#together.clear()
    this.usedBytes = 0
  }

  /** @returns true when the key existed */
  delete(slot: number, key: string): boolean {
    const map = this.#mapOf(slot)
    const entry = map.get(key)
    if (entry === undefined) return false
    map.delete(key)
    this.#expiring.delete(key)
    this.#dropItems(entry)
    return entry.expiresAtMs === 0 || entry.expiresAtMs > Date.now()
  }

  /** Changes when a key expires, which each of its records says. @param expiresAtMs 0 = never
   *  @returns true when the key exists */
  expire(slot: number, key: string, expiresAtMs: number): boolean {
    const entry = this.get(slot, key)
    if (entry === undefined) return false
    if (entry.expiresAtMs === expiresAtMs) return true
    this.#setExpiry(key, entry, expiresAtMs)
    for (const item of itemsOf(entry)) this.dirty.add(item)
    return true
  }

  /** Gives all that a key has, its expiry too, to another key of its slot, whatever that held.
   *  @returns true when the key exists */
  rename(slot: number, from: string, to: string): boolean {
    const entry = this.get(slot, from)
    if (entry === undefined || from === to) return entry !== undefined
    const map = this.#mapOf(slot)
    const old = this.get(slot, to)
    if (old !== undefined) this.#overwrite(slot, old)
    this.#expiring.delete(to)
    map.delete(from)
    this.#expiring.delete(from)
    for (const item of itemsOf(entry)) {
      this.usedBytes += to.length - from.length
      this.#leave(item)
      this.#together.set(item, slot)
      item.key = to
      this.dirty.delete(item)
      this.dirty.add(item)
    }
    map.set(to, entry)
    this.#setExpiry(to, entry, entry.expiresAtMs)
    return true
  }

  /**
   * Puts back what a record says. ORDER: by record id, ascending: of two records for one thing the
   * later counts, and the earlier, which a crash kept from being cleared, is cleared after all.
   */
  restore(slot: number, item: Item, expiresAtMs: number): void {
    const map = this.#mapOf(slot)
    this.lastRecordId = Math.max(this.lastRecordId, item.recordId)
    this.usedBytes += sizeOf(item)
    const old = map.get(item.key)
    if (item.field !== undefined && old?.kind === 'hash') {
      const earlier = old.fields.get(item.field)
      if (earlier !== undefined) this.#dropItem(earlier)
      old.fields.set(item.field, item)
      this.#joinExpiry(old, item, expiresAtMs)
      return
    }
    if (old !== undefined) this.#dropItems(old)
    const entry: Entry =
      item.field === undefined
        ? { kind: 'string', item, expiresAtMs: 0 }
        : { kind: 'hash', fields: new Map([[item.field, item]]), expiresAtMs: 0 }
    map.set(item.key, entry)
    this.#setExpiry(item.key, entry, expiresAtMs)
  }

  /** Has a record cleared that stands for nothing any more. */
  discard(recordId: number): void {
    this.lastRecordId = Math.max(this.lastRecordId, recordId)
    this.dirty.add({ key: '', field: undefined, value: '', recordId, isLive: false })
  }

  /** Adds a dirty item to a batch, behind all that has to be written first, which is what leaves
   *  its key, and with all that has to be written together with it.
   *  @returns  false when the batch is full before that is done */
  joinBatch(item: Item, batch: Batch): boolean {
    const { items, path, keys } = batch
    if (items.has(item) || path.has(item) || !this.dirty.has(item)) return true
    const leavers = item.isLive ? this.#leavers.get(item.key) : undefined
    if (leavers !== undefined && path.size < LEAVER_DEPTH) {
      path.add(item)
      for (const leaver of leavers) if (!this.joinBatch(leaver, batch)) return false
      path.delete(item)
    }
    if (batch.isFull) return false
    batch.add(item)
    const slot = this.#together.get(item)
    if (slot === undefined || keys.has(item.key)) return true
    keys.add(item.key)
    const entry = this.#mapOf(slot).get(item.key)
    if (entry === undefined) return true
    for (const one of itemsOf(entry)) if (!this.joinBatch(one, batch)) return false
    return true
  }

  /** Says that a batch has committed. */
  written(items: Iterable<Item>): void {
    for (const item of items) {
      // One that changed again meanwhile is yet to be written.
      if (this.dirty.has(item)) continue
      this.#together.delete(item)
      const keys = this.#leftKeys.get(item)
      if (keys === undefined) continue
      this.#leftKeys.delete(item)
      for (const key of keys) {
        const items = this.#leavers.get(key)
        items?.delete(item)
        if (items?.size === 0) this.#leavers.delete(key)
      }
    }
  }

  /** Puts items back whose batch failed, in front of what became dirty meanwhile. */
  putBack(items: readonly Item[]): void {
    const later = [...this.dirty]
    const changed = new Set(later)
    this.dirty.clear()
    // What changed again keeps its place: a moved record comes behind the one that it replaces.
    for (const item of items) if (!changed.has(item)) this.dirty.add(item)
    for (const item of later) this.dirty.add(item)
  }

  /** Expiry of an item's key, 0 = never. */
  expiryOf(slot: number, item: Item): number {
    return this.#mapOf(slot).get(item.key)?.expiresAtMs ?? 0
  }

  /** Looks at the next `count` keys that expire, in turn. @returns how many of them had expired */
  sweep(count: number, slotOfKey: (key: string) => number): number {
    let expired = 0
    for (let i = 0; i < count && this.#expiring.size > 0; i++) {
      this.#sweep ??= this.#expiring.values()
      const next = this.#sweep.next()
      if (next.done) {
        this.#sweep = undefined
        return expired
      }
      if (this.get(slotOfKey(next.value), next.value) === undefined) expired++
    }
    return expired
  }

  /** Live keys of one slot. @yields in no order; nothing may change meanwhile */
  *keysInSlot(slot: number, slotOfKey: (key: string) => number): Iterable<string> {
    const nowMs = Date.now()
    for (const [key, { expiresAtMs }] of this.#mapOf(slot)) {
      if (expiresAtMs !== 0 && expiresAtMs <= nowMs) continue
      if (slotOfKey(key) === slot) yield key
    }
  }

  #mapOf(slot: number): Map<string, Entry> {
    return this.#maps[slot % MAP_COUNT]!
  }

  #newHash(slot: number, key: string): HashEntry {
    const hash: HashEntry = { kind: 'hash', fields: new Map(), expiresAtMs: 0 }
    this.#mapOf(slot).set(key, hash)
    return hash
  }

  #newItem(key: string, field: string | undefined, value: Value): Item {
    const item: Item = { key, field, value, recordId: 0, isLive: true }
    this.usedBytes += sizeOf(item)
    this.dirty.add(item)
    return item
  }

  #setValue(item: Item, value: Value): void {
    this.usedBytes += value.length - item.value.length
    item.value = value
    this.dirty.add(item)
  }

  /** Records carry the expiry of their key: the caller sees to it that they are dirty. */
  #setExpiry(key: string, entry: Entry, expiresAtMs: number): void {
    entry.expiresAtMs = expiresAtMs
    if (expiresAtMs === 0) this.#expiring.delete(key)
    else this.#expiring.add(key)
  }

  /** Records of a hash that tell different expiries are those of a change that a crash cut short:
   *  the latest counts for all. */
  #joinExpiry(hash: HashEntry, item: Item, expiresAtMs: number): void {
    const { expiresAtMs: joined } = hash
    if (expiresAtMs === joined) return
    if (joined === 0 || (expiresAtMs !== 0 && expiresAtMs < joined)) {
      this.dirty.add(item)
      return
    }
    this.#setExpiry(item.key, hash, expiresAtMs)
    for (const field of hash.fields.values()) this.dirty.add(field)
  }

  /** Drops what a key held that holds something else from now on. */
  #overwrite(slot: number, entry: Entry): void {
    for (const item of itemsOf(entry)) {
      this.#dropItem(item)
      if (item.recordId !== 0) this.#together.set(item, slot)
    }
  }

  #dropItems(entry: Entry): void {
    for (const item of itemsOf(entry)) this.#dropItem(item)
  }

  #dropItem(item: Item): void {
    item.isLive = false
    this.usedBytes -= sizeOf(item)
    this.dirty.delete(item)
    if (item.recordId === 0) return
    this.#leave(item)
    this.dirty.add(item)
  }

  /** The record of an item bears a key that will not be its own. */
  #leave(item: Item): void {
    if (item.recordId === 0) return
    const { key } = item
    const keys = this.#leftKeys.get(item)
    if (keys === undefined) this.#leftKeys.set(item, new Set([key]))
    else keys.add(key)
    const items = this.#leavers.get(key)
    if (items === undefined) this.#leavers.set(key, new Set([item]))
    else items.add(item)
  }
}

function itemsOf(entry: Entry): Iterable<Item> {
  return entry.kind === 'string' ? [entry.item] : entry.fields.values()
}

function contentBytes({ key, field, value }: Item): number {
  return key.length + (field?.length ?? 0) + value.length
}

function sizeOf(item: Item): number {
  return contentBytes(item) + ITEM_OVERHEAD_BYTES
}
