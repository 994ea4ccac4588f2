/** The data of a REDIS shard, spoken to in text: one code unit for each byte. */
import type { ShardData } from '../../ts/redis/shard.js'
import { slotOf } from '../../ts/redis/slots.js'
import { Span } from '../../ts/resp/span.js'

/** Slot of a key in text. */
export function slotOfText(key: string): number {
  return slotOf(Buffer.from(key, 'latin1'))
}

export class TextShard {
  readonly data: ShardData
  readonly #slotOf: (key: string) => number

  /** @param slotOfKey  the slots that keys are said to have */
  constructor(data: ShardData, slotOfKey: (key: string) => number = slotOfText) {
    this.data = data
    this.#slotOf = slotOfKey
  }

  set(key: string, value: string | Buffer, expiresAtMs = 0): void {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
    const span = new Span(bytes, 0, bytes.length)
    this.data.setString(this.#slotOf(key), Span.of(key), span, expiresAtMs)
  }

  /** @throws RespError WRONGTYPE */
  get(key: string): string | undefined {
    const item = this.data.findString(this.#slotOf(key), Span.of(key))
    return item === 0 ? undefined : this.valueOf(item)
  }

  hset(key: string, field: string, value: string): boolean {
    const slot = this.#slotOf(key)
    return this.data.setField(slot, Span.of(key), Span.of(field), Span.of(value))
  }

  /** Names and values of the fields of a hash. @throws RespError WRONGTYPE */
  entries(key: string): [field: string, value: string][] {
    const fields = this.data.findHash(this.#slotOf(key), Span.of(key))?.fields ?? []
    return Array.from(fields, item => [this.data.nameOf(item).latin1(), this.valueOf(item)])
  }

  /** As `entries`, `field=value` each. */
  fields(key: string): string[] {
    return this.entries(key).map(([field, value]) => `${field}=${value}`)
  }

  hdel(key: string, field: string): boolean {
    return this.data.deleteField(this.#slotOf(key), Span.of(key), Span.of(field))
  }

  del(key: string): boolean {
    return this.data.delete(this.#slotOf(key), Span.of(key))
  }

  rename(from: string, to: string): boolean {
    return this.data.rename(this.#slotOf(from), Span.of(from), Span.of(to))
  }

  expire(key: string, expiresAtMs: number): boolean {
    return this.data.expire(this.#slotOf(key), Span.of(key), expiresAtMs)
  }

  /** Unix time in ms, 0 = never; undefined when there is no such key. */
  expiryOf(key: string): number | undefined {
    const item = this.#find(key)
    return item === 0 ? undefined : this.data.expiryOf(item)
  }

  /** What a key holds. */
  typeOf(key: string): 'string' | 'hash' | undefined {
    const item = this.#find(key)
    return item === 0 ? undefined : this.data.typeOf(item)
  }

  /** What is dirty, oldest first, see `nameOf`. */
  dirty(): string[] {
    return Array.from(this.data.dirty, item => this.nameOf(item))
  }

  /** `key`, `key.field`, or `key gone #record` for what is not there any more. */
  nameOf(item: number): string {
    const key = this.data.keyOf(item)
    if (!this.data.isLive(item)) return `${key} gone #${this.data.recordIdOf(item)}`
    const isField = this.data.typeOf(item) === 'hash'
    return isField ? `${key}.${this.data.nameOf(item).latin1()}` : key
  }

  /** Value of a string or a field. */
  valueOf(item: number): string {
    const value = this.data.valueOf(item)
    return typeof value === 'string' ? value : value.flat().toString('latin1')
  }

  #find(key: string): number {
    return this.data.find(this.#slotOf(key), Span.of(key))
  }
}
