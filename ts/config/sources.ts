/**
 * Where settings come from. Each source turns into a list of (key, text, origin), which
 * `load.ts` lays over each other from the weakest to the strongest.
 */
import { readFileSync } from 'node:fs'
import { ConfigError } from './error.js'
import type { HoconNode } from './hocon.js'
import { type Environment, parseHocon } from './hocon-resolve.js'
import { isGroup, ROWS, type Row, resolveKey, unknownSetting } from './rows.js'

/** One value as a source gives it. `undefined` goes back to what weaker sources say.
 *  name    the entry of a map setting
 *  origin  for error messages: `--set`, `KRONOTOP_DATA_DIR`, `kronotop.conf:12` */
export interface Given {
  readonly row: Row
  readonly name: string | undefined
  readonly value: string | undefined
  readonly origin: string
}

const ENV_PREFIX = 'KRONOTOP_'

/** Variables that other parts of the product read, and those that Kubernetes sets for a service
 *  named kronotop. */
const OTHER_ENV =
  /^KRONOTOP_(TEST_.*|CLI_.*|BOOTSTRAP|STANDBY_HOST|JAVA_OPTS|SERVICE_.*|PORT(_\d+_.*)?)$/

/** @param sets  `key=value` texts in the order given
 *  @throws      ConfigError for a text without `=` or an unknown key */
export function fromArguments(sets: readonly string[]): Given[] {
  return sets.flatMap(set => {
    const equals = set.indexOf('=')
    if (equals < 1) throw new ConfigError(`--set expects key=value, got '${set}'`)
    const origin = '--set'
    const { row, name } = resolveKey(set.slice(0, equals).trim(), origin)
    return entries(row, name, set.slice(equals + 1), origin)
  })
}

/** Variables `KRONOTOP_<KEY>`, dots as underscores. An empty one counts as not set.
 *  @throws  ConfigError for a variable with that prefix that names no setting */
export function fromEnvironment(environment: Environment): Given[] {
  const given: Given[] = []
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(ENV_PREFIX) || OTHER_ENV.test(variable) || !value) continue
    const row = BY_VARIABLE.get(variable)
    if (row === undefined) {
      const key = variable.slice(ENV_PREFIX.length).toLowerCase()
      throw unknownSetting(key, `environment variable ${variable}`)
    }
    given.push(...entries(row, undefined, value, variable))
  }
  return given
}

/** @param file  path of a HOCON file
 *  @throws      ConfigError when it can't be read or parsed, or holds an unknown key */
export function fromFile(file: string, environment: Environment): Given[] {
  const root = parseHocon(readText(file), file, environment)
  const given: Given[] = []
  const walk = (node: HoconNode, path: readonly string[]): void => {
    const origin = `${file}:${node.line}`
    const key = path.join('.')
    if (node.kind === 'object' && isGroup(key)) {
      for (const [field, value] of node.fields) walk(value, [...path, field])
      return
    }
    const { row, name } = resolveKey(key, origin)
    if (node.kind === 'object' && row.setting.kind === 'map' && name === undefined) {
      for (const [field, value] of node.fields) {
        given.push({ row, name: field, value: scalar(value, row, origin), origin })
      }
      return
    }
    given.push({ row, name, value: scalar(node, row, origin), origin })
  }
  for (const [field, value] of root.fields) walk(value, [field])
  return given
}

/** The variable that sets a key. */
export function variableOf(key: string): string {
  return ENV_PREFIX + key.toUpperCase().replaceAll('.', '_')
}

const BY_VARIABLE: ReadonlyMap<string, Row> = new Map(
  [...ROWS].map(([key, row]) => [variableOf(key), row]),
)

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? cause.code : cause
    throw new ConfigError(`configuration file ${file} cannot be read: ${reason}`)
  }
}

function scalar(node: HoconNode, row: Row, origin: string): string | undefined {
  if (node.kind === 'text') return node.text
  if (node.kind === 'null') return undefined
  const what = node.kind === 'list' ? 'a list' : 'a group'
  throw new ConfigError(
    `setting ${row.key}: expected ${row.setting.accepts}, got ${what} (${origin})`,
  )
}

/** A map may be given whole, as an object in HOCON or JSON. */
function entries(row: Row, name: string | undefined, value: string, origin: string): Given[] {
  if (row.setting.kind !== 'map' || name !== undefined) return [{ row, name, value, origin }]
  const refusal = `setting ${row.key}: expected ${row.setting.accepts} (${origin})`
  if (!value.trimStart().startsWith('{')) throw new ConfigError(refusal)
  const fields = [...parseHocon(value, origin, {}).fields]
  return fields.map(([field, node]) => ({
    row,
    name: field,
    value: scalar(node, row, origin),
    origin,
  }))
}
