/**
 * The configuration: one frozen object, made once at the start and passed down. Nobody else reads
 * the environment or files.
 */
import { join, resolve } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import * as v from 'valibot'
import { ConfigError } from './error.js'
import type { Environment } from './hocon-resolve.js'
import type { Optional, Present, RawValue } from './kinds.js'
import { ROWS, type Row } from './rows.js'
import type { SETTINGS } from './settings.js'
import { fromArguments, fromEnvironment, fromFile, type Given } from './sources.js'

type ValueOf<R> =
  R extends Present<infer T> ? T : R extends Optional<infer T> ? T | undefined : never

type ValuesOf<Tree> = {
  readonly [K in keyof Tree]: Tree[K] extends { readonly schema: unknown }
    ? ValueOf<Tree[K]>
    : ValuesOf<Tree[K]>
}

/** All settings, nested as their keys: `config.network.external.port`. */
export type Config = ValuesOf<typeof SETTINGS>

/** What `loadConfig` reads.
 *  sets         `key=value`, strongest
 *  environment  variables `KRONOTOP_<KEY>`, weaker
 *  file         a HOCON file, weaker still; defaults are the weakest */
export interface ConfigSources {
  readonly sets?: readonly string[]
  readonly environment?: Environment
  readonly file?: string | undefined
}

/** `warnings` are lines for the log: settings without effect that were given. */
export interface LoadedConfig {
  readonly config: Config
  readonly warnings: readonly string[]
}

/** Reads, checks and freezes the configuration. Touches nothing but the named file.
 *  @throws  ConfigError with one line that names the setting and where it was given */
export function loadConfig(sources: ConfigSources = {}): LoadedConfig {
  const environment = sources.environment ?? {}
  const given = [
    ...(sources.file === undefined ? [] : fromFile(sources.file, environment)),
    ...fromEnvironment(environment),
    ...fromArguments(sources.sets ?? []),
  ]
  const texts = layOver(given)
  const values = new Map<string, unknown>()
  for (const [key, row] of ROWS) {
    if (key === row.key) values.set(key, checked(row, texts.get(key)))
  }
  derive(values)
  const config = freeze(nest(values)) as Config
  checkTogether(config)
  return { config, warnings: warningsOf(given) }
}

interface Text {
  readonly value: RawValue
  readonly origin: string
}

/** Lays the sources over each other, weakest first; entries of a map merge by name. */
function layOver(given: readonly Given[]): Map<string, Text> {
  const texts = new Map<string, Text>()
  for (const { row, name, value, origin } of given) {
    if (name === undefined) {
      if (value === undefined) texts.delete(row.key)
      else texts.set(row.key, { value, origin })
      continue
    }
    const present = texts.get(row.key)?.value
    const merged = new Map(present instanceof Map ? present : [])
    if (value === undefined) merged.delete(name)
    else merged.set(name, value)
    texts.set(row.key, { value: merged, origin })
  }
  return texts
}

function checked({ key, setting }: Row, text: Text | undefined): unknown {
  if (setting.ignored !== undefined) return undefined
  if (text === undefined) {
    const { fallback } = setting
    return setting.kind === 'path' && typeof fallback === 'string' ? resolve(fallback) : fallback
  }
  const result = v.safeParse(setting.schema, text.value)
  if (result.success) return result.output
  const shown = setting.secret ? 'something else' : JSON.stringify(text.value)
  if (setting.refusal !== undefined) {
    throw new ConfigError(setting.refusal.replace('<v>', String(text.value)))
  }
  throw new ConfigError(
    `setting ${key}: expected ${setting.accepts}, got ${shown} (${text.origin})`,
  )
}

/** Fills in the values that depend on others. */
function derive(values: Map<string, unknown>): void {
  const fill = (key: string, value: unknown) => {
    if (values.get(key) === undefined) values.set(key, value)
  }
  fill('store.path', join(String(values.get('data_dir')), '.store'))
  fill('cluster.auto_bootstrap', values.get('foundationdb.clusterfile') === undefined)
  fill(
    'redis.volume_syncer.synchronous_replication',
    Number(values.get('replication.synchronous')) > 0,
  )
  fill('redis.maxmemory', Math.floor(getHeapStatistics().heap_size_limit * 0.75))
}

/** Rules that span several settings. */
function checkTogether(config: Config): void {
  const { external, internal } = config.network
  for (const [name, { tls }] of Object.entries({ external, internal })) {
    if (tls.enabled && (tls.cert_path === undefined || tls.key_path === undefined)) {
      throw new ConfigError(`network.${name}.tls.enabled needs cert_path and key_path beside it`)
    }
  }
  if (external.port !== 0 && external.port === internal.port && external.host === internal.host) {
    throw new ConfigError(
      `network.external.port and network.internal.port are both ${external.port} on one host`,
    )
  }
}

function warningsOf(given: readonly Given[]): string[] {
  return given.flatMap(({ row, origin }) =>
    row.setting.ignored === undefined
      ? []
      : [`setting ${row.key} (${origin}) has no effect: ${row.setting.ignored}`],
  )
}

type Nested = { [name: string]: unknown }

function nest(values: ReadonlyMap<string, unknown>): Nested {
  const root: Nested = {}
  for (const [key, value] of values) {
    const segments = key.split('.')
    const last = segments.pop() ?? ''
    let group = root
    for (const segment of segments) {
      group[segment] ??= {}
      group = group[segment] as Nested
    }
    group[last] = value
  }
  return root
}

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner)
    Object.freeze(value)
  }
  return value
}
