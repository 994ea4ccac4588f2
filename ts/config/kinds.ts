/**
 * The kinds of settings. Every source hands over text, so a kind is a validator from text to a
 * value, plus the words that say what it accepts. `settings.ts` builds its rows with these.
 */
import { resolve } from 'node:path'
import * as v from 'valibot'

/** What a source may give for one setting: text, or named texts for a map. */
export type RawValue = string | ReadonlyMap<string, string>

/** One row of the settings table.
 *  value       type that the validator yields
 *  fallback    default; `undefined` where unset is a state of its own or `derived` computes it
 *  accepts     words that complete "expected …"
 *  derived     where a missing value comes from, in words
 *  ignored     why a setting is accepted without effect (a start warns)
 *  secret      the value is shown nowhere
 *  refusal     text of the error instead of the usual one; `<v>` is the value */
export interface Setting<T> {
  readonly kind: 'text' | 'path' | 'integer' | 'number' | 'flag' | 'choice' | 'map'
  readonly schema: v.GenericSchema<RawValue, T>
  readonly accepts: string
  readonly fallback: T | undefined
  readonly unit: string | undefined
  readonly doc: string
  readonly derived: string | undefined
  readonly ignored: string | undefined
  readonly secret: boolean
  readonly refusal: string | undefined
}

/** A row whose value is always present, because it has a default or is computed from others. */
export type Present<T> = Setting<T> & { readonly present: true }

/** A row that may be unset. */
export type Optional<T> = Setting<T> & { readonly present: false }

interface Extras {
  unit?: string
  derived?: string
  ignored?: string
  secret?: boolean
  refusal?: string
}

interface Bounds extends Extras {
  min?: number
  max?: number
}

type Row<T> = Present<T> | Optional<T>

/** Text with at least one character that is not blank. */
export function text(doc: string, fallback: string, extras?: Extras): Present<string>
export function text(doc: string, fallback?: undefined, extras?: Extras): Optional<string>
export function text(doc: string, fallback?: string, extras: Extras = {}): Row<string> {
  const schema = v.pipe(v.string(), v.regex(/\S/))
  return row({ kind: 'text', schema, accepts: 'text that is not blank', fallback, doc, extras })
}

/** Text that can be the name of a directory: not blank, no slash, not `.` or `..`. */
export function directoryName(doc: string, fallback: string): Present<string>
export function directoryName(doc: string, fallback: string): Row<string> {
  const schema = v.pipe(v.string(), v.regex(/^(?!\.{1,2}$)[^/\0]*[^/\0\s][^/\0]*$/))
  const accepts = 'a name without a slash'
  return row({ kind: 'text', schema, accepts, fallback, doc, extras: {} })
}

/** A path, made absolute against the working directory. */
export function path(doc: string, fallback: string, extras?: Extras): Present<string>
export function path(
  doc: string,
  fallback: undefined,
  extras: Extras & { derived: string },
): Present<string>
export function path(doc: string, fallback?: undefined, extras?: Extras): Optional<string>
export function path(doc: string, fallback?: string, extras: Extras = {}): Row<string> {
  const schema = v.pipe(
    v.string(),
    v.regex(/\S/),
    v.transform(value => resolve(value)),
  )
  return row({ kind: 'path', schema, accepts: 'a path', fallback, doc, extras })
}

/** A whole number from `min` (0 unless given) to `max`, both included. */
export function integer(doc: string, fallback: number, bounds?: Bounds): Present<number>
export function integer(
  doc: string,
  fallback: undefined,
  bounds: Bounds & { derived: string },
): Present<number>
export function integer(doc: string, fallback?: undefined, bounds?: Bounds): Optional<number>
export function integer(doc: string, fallback?: number, bounds: Bounds = {}): Row<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, ...extras } = bounds
  const schema = v.pipe(
    v.string(),
    v.regex(/^-?\d+$/),
    v.transform(Number),
    v.minValue(min),
    v.maxValue(max),
  )
  const accepts = `a whole number ${range(min, max)}`
  return row({ kind: 'integer', schema, accepts, fallback, doc, extras })
}

/** A number with or without a fraction, from `min` (0 unless given) to `max`, both included. */
export function number(doc: string, fallback: number, bounds: Bounds = {}): Present<number> {
  const { min = 0, max = Number.MAX_VALUE, ...extras } = bounds
  const schema = v.pipe(
    v.string(),
    v.regex(/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/),
    v.transform(Number),
    v.minValue(min),
    v.maxValue(max),
  )
  const accepts = `a number ${range(min, max)}`
  return row({ kind: 'number', schema, accepts, fallback, doc, extras }) as Present<number>
}

/** `true` or `false`. */
export function flag(doc: string, fallback: boolean, extras?: Extras): Present<boolean>
export function flag(
  doc: string,
  fallback: undefined,
  extras: Extras & { derived: string },
): Present<boolean>
export function flag(doc: string, fallback?: undefined, extras?: Extras): Optional<boolean>
export function flag(doc: string, fallback?: boolean, extras: Extras = {}): Row<boolean> {
  const schema = v.pipe(
    v.string(),
    v.toLowerCase(),
    v.picklist(['true', 'false']),
    v.transform(value => value === 'true'),
  )
  return row({ kind: 'flag', schema, accepts: 'true or false', fallback, doc, extras })
}

/** One word of a list, in any case; the value is the word in lower case. */
export function choice<const W extends string>(
  doc: string,
  words: readonly W[],
  fallback: NoInfer<W>,
  extras?: Extras,
): Present<W>
export function choice<const W extends string>(
  doc: string,
  words: readonly W[],
  fallback?: undefined,
  extras?: Extras,
): Optional<W>
export function choice<const W extends string>(
  doc: string,
  words: readonly W[],
  fallback?: W,
  extras: Extras = {},
): Row<W> {
  const schema = v.pipe(v.string(), v.toLowerCase(), v.picklist(words))
  const accepts = `one of ${words.join(', ')}`
  return row({ kind: 'choice', schema, accepts, fallback, doc, extras })
}

/** Names with a text each. Keys below the row's own are the names. */
export function map(
  doc: string,
  extras: Extras = {},
): Optional<Readonly<Partial<Record<string, string>>>> {
  const schema = v.pipe(
    v.map(v.string(), v.string()),
    v.transform(entries => Object.assign(Object.create(null), Object.fromEntries(entries))),
  )
  const accepts = 'names with a text each'
  const made = row({ kind: 'map', schema, accepts, fallback: undefined, doc, extras })
  return made as Optional<Readonly<Partial<Record<string, string>>>>
}

function range(min: number, max: number): string {
  return max >= Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
}

function row<T>(parts: {
  kind: Setting<T>['kind']
  schema: v.GenericSchema<string, T> | v.GenericSchema<Map<string, string>, T>
  accepts: string
  fallback: T | undefined
  doc: string
  extras: Extras
}): Row<T> {
  const { kind, schema, accepts, fallback, doc, extras } = parts
  return {
    kind,
    schema: schema as v.GenericSchema<RawValue, T>,
    accepts,
    fallback,
    unit: extras.unit,
    doc,
    derived: extras.derived,
    ignored: extras.ignored,
    secret: extras.secret ?? false,
    refusal: extras.refusal,
    present: fallback !== undefined || extras.derived !== undefined,
  }
}
