/**
 * Reply types. A command declares one; `run` returns plain data of the type it asks for, and the
 * one encoder (`encoder.ts`) turns data plus type into RESP2 or RESP3. The same declaration feeds
 * the reference page and the end-to-end reply check, so a shape is never described twice.
 */
import type { RespError } from '../error.js'
import type { Rope } from './rope.js'
import type { Span } from './span.js'

/** What the encoder and the reply check switch on. */
export type ReplyShape =
  | { readonly kind: 'ok' | 'simple' | 'integer' | 'bulk' | 'binary' | 'encoded' }
  | { readonly kind: 'double' | 'boolean' | 'any' }
  | { readonly kind: 'nullable' | 'nullableArray' | 'array'; readonly of: ReplyShape }
  | { readonly kind: 'tuple' | 'oneOf'; readonly of: readonly ReplyShape[] }
  | { readonly kind: 'map' | 'record'; readonly fields: readonly ReplyField[] }
  | { readonly kind: 'mapOf' | 'pairs'; readonly key: ReplyShape; readonly value: ReplyShape }

export interface ReplyField {
  readonly name: string
  readonly shape: ReplyShape
}

/** A reply type; `T` is the data that `run` returns for it. */
export interface Reply<T> {
  readonly shape: ReplyShape
  /** Never set: carries `T` for the type checker. */
  readonly data?: T
}

/** Data of one alternative of a `oneOf`, made by `typed`; also allowed anywhere inside `any`. */
export class Typed {
  constructor(
    readonly shape: ReplyShape,
    readonly data: unknown,
  ) {}
}

/** Status text inside an `any` reply, where a plain string means a bulk. */
export class Status {
  constructor(readonly text: string) {}
}

/**
 * Many bulks in two allocations; stands for an `array(bulk)` wherever one is expected.
 *
 *   payload  | bulk 0 | bulk 1 | … | bulk n-1 |
 *   ends            e0       e1  …         e(n-1)      byte offsets into payload, ascending
 */
export class PackedBulks {
  constructor(
    readonly payload: Buffer,
    readonly ends: Uint32Array,
  ) {}
}

/** Any value of the dynamic reply type `any`. An object is a map in insertion order; a set is an
 *  array in RESP2. */
export type AnyData =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Status
  | Typed
  | PackedBulks
  | RespError
  | readonly AnyData[]
  | ReadonlySet<AnyData>
  | ReadonlyMap<AnyData, AnyData>
  | { readonly [name: string]: AnyData }

type DataOf<R> = R extends Reply<infer T> ? T : never
type Pairs<K, V> = ReadonlyMap<K, V> | readonly (readonly [K, V])[]

/** `+OK`, whatever `run` returns. */
export const ok: Reply<unknown> = { shape: { kind: 'ok' } }
/** A status line: one line of text. */
export const simple: Reply<string> = { shape: { kind: 'simple' } }
/** A signed 64-bit integer; a number must be a safe integer. */
export const integer: Reply<number | bigint> = { shape: { kind: 'integer' } }
/** A bulk: bytes as they are, a string as UTF-8. */
export const bulk: Reply<Uint8Array | string> = { shape: { kind: 'bulk' } }
/** A bulk of which a string holds one byte in each code unit (latin1); or bytes as they are. A Span
 *  is read before anything else runs. */
export const binary: Reply<string | Span | Rope | Uint8Array> = { shape: { kind: 'binary' } }
/** Data that is RESP already, the same in both protocols: bytes, or a latin1 string. */
export const encoded: Reply<Rope | Uint8Array | string> = { shape: { kind: 'encoded' } }
/** A double; RESP2 sends its shortest round-trip decimal as a bulk. */
export const double: Reply<number> = { shape: { kind: 'double' } }
/** A boolean; RESP2 sends 1 or 0. */
export const boolean: Reply<boolean> = { shape: { kind: 'boolean' } }
/** A value whose type the data itself says; see `AnyData`. */
export const any: Reply<AnyData> = { shape: { kind: 'any' } }

/** The item, or null for `null` and `undefined`. */
export function nullable<T>(item: Reply<T>): Reply<T | null | undefined> {
  return { shape: { kind: 'nullable', of: item.shape } }
}

/** As `nullable`, but RESP2's null is the null array `*-1`: an aborted EXEC. */
export function nullableArray<T>(item: Reply<T>): Reply<T | null | undefined> {
  return { shape: { kind: 'nullableArray', of: item.shape } }
}

/** Any number of items of one type. `PackedBulks` may stand for an array of bulks. */
export function array<T>(item: Reply<T>): Reply<readonly T[] | PackedBulks> {
  return { shape: { kind: 'array', of: item.shape } }
}

/** A fixed number of items, each of its own type. */
export function tuple<R extends readonly Reply<unknown>[]>(
  ...items: R
): Reply<{ readonly [I in keyof R]: DataOf<R[I]> }> {
  return { shape: { kind: 'tuple', of: items.map(item => item.shape) } }
}

/** A map with known keys, sent in the declared order; RESP2: a flat array of keys and values. */
export function map<F extends Record<string, Reply<unknown>>>(
  fields: F,
): Reply<{ readonly [K in keyof F]: DataOf<F[K]> }> {
  return { shape: { kind: 'map', fields: fieldsOf(fields) } }
}

/** As `map`, but RESP2 gets the values alone: `[cursor_id, entries]`. */
export function record<F extends Record<string, Reply<unknown>>>(
  fields: F,
): Reply<{ readonly [K in keyof F]: DataOf<F[K]> }> {
  return { shape: { kind: 'record', fields: fieldsOf(fields) } }
}

/** A map with keys of one type and values of one type, in insertion order. */
export function mapOf<K, V>(key: Reply<K>, value: Reply<V>): Reply<Pairs<K, V>> {
  return { shape: { kind: 'mapOf', key: key.shape, value: value.shape } }
}

/** Pairs: an array of two-element arrays in RESP3, one flat array in RESP2. */
export function pairs<K, V>(key: Reply<K>, value: Reply<V>): Reply<Pairs<K, V>> {
  return { shape: { kind: 'pairs', key: key.shape, value: value.shape } }
}

/** One of several types; `run` says which with `typed(type, data)`. */
export function oneOf(...alternatives: readonly Reply<unknown>[]): Reply<Typed> {
  return { shape: { kind: 'oneOf', of: alternatives.map(item => item.shape) } }
}

/** Data together with the alternative of a `oneOf` that it belongs to. */
export function typed<T>(reply: Reply<T>, data: NoInfer<T>): Typed {
  return new Typed(reply.shape, data)
}

function fieldsOf(fields: Record<string, Reply<unknown>>): ReplyField[] {
  return Object.entries(fields).map(([name, { shape }]) => ({ name, shape }))
}
