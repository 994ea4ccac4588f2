/**
 * The settings tree as a flat list, and the way from a key that somebody typed to its row.
 */
import { ConfigError } from './error.js'
import type { Setting } from './kinds.js'
import { ALIASES, SETTINGS } from './settings.js'

/** A setting with its key. `key` is the canonical one, also when an alias led to the row. */
export interface Row {
  readonly key: string
  readonly setting: Setting<unknown>
}

type Node = Setting<unknown> | { readonly [name: string]: Node }

/** Rows by key, aliases included; the canonical keys come in the order of the table. */
export const ROWS: ReadonlyMap<string, Row> = collect()

/** Keys that have rows below them. */
const GROUPS: ReadonlySet<string> = new Set(
  [...ROWS.keys()].flatMap(key => {
    const segments = key.split('.')
    return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('.'))
  }),
)

/** Whether a key names a group of settings. */
export function isGroup(key: string): boolean {
  return GROUPS.has(key)
}

/** Finds the row of a key, or of the map setting that the key is an entry of.
 *  @param origin  where the key was written, for the error
 *  @throws        ConfigError for an unknown key */
export function resolveKey(key: string, origin: string): { row: Row; name: string | undefined } {
  const row = ROWS.get(key)
  if (row !== undefined) return { row, name: undefined }
  for (const candidate of ROWS.values()) {
    if (candidate.setting.kind === 'map' && key.startsWith(`${candidate.key}.`)) {
      return { row: candidate, name: key.slice(candidate.key.length + 1) }
    }
  }
  throw unknownSetting(key, origin)
}

/** The error for a key that is no setting; names the nearest one if any is near. */
export function unknownSetting(key: string, origin: string): ConfigError {
  if (isGroup(key)) return new ConfigError(`${key} is a group of settings (${origin})`)
  const near = nearest(key)
  const hint = near === undefined ? 'see --help for the list' : `did you mean ${near}?`
  return new ConfigError(`unknown setting ${key} (${origin}); ${hint}`)
}

function collect(): Map<string, Row> {
  const rows = new Map<string, Row>()
  const walk = (node: Node, path: readonly string[]): void => {
    if (isSetting(node)) {
      const key = path.join('.')
      rows.set(key, { key, setting: node })
      return
    }
    for (const [name, inner] of Object.entries(node)) walk(inner, [...path, name])
  }
  walk(SETTINGS, [])
  for (const [alias, root] of ALIASES) {
    for (const row of [...rows.values()]) {
      if (row.key.startsWith(`${root}.`)) rows.set(alias + row.key.slice(root.length), row)
    }
  }
  return rows
}

function isSetting(node: Node): node is Setting<unknown> {
  return 'schema' in node && 'kind' in node
}

/** The key with the fewest edits, or one that ends in what was typed. */
function nearest(typed: string): string | undefined {
  const keys = [...ROWS.keys()]
  const suffix = keys.find(key => key.endsWith(`.${typed}`))
  const folded = (key: string) => key.toLowerCase().replaceAll(/[.-]/g, '_')
  const ranked = keys
    .map(key => ({ key, edits: distance(folded(key), folded(typed)) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  if (best !== undefined && best.edits <= Math.max(1, typed.length / 4)) return best.key
  return suffix
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
