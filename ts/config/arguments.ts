/**
 * The command line of the server, and the texts of `--help` and of the settings reference, both
 * made from the settings table.
 */
import { parseArgs } from 'node:util'
import { ConfigError } from './error.js'
import { ROWS } from './rows.js'
import { variableOf } from './sources.js'

/** The command line, taken apart; nothing is read yet. */
export interface Arguments {
  readonly help: boolean
  readonly version: boolean
  readonly checkConfig: boolean
  readonly configFile: string | undefined
  readonly sets: readonly string[]
}

/** @param argv  arguments without the program's name
 *  @throws      ConfigError for an unknown option or a stray word */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parse(argv)
  return {
    help: values.help,
    version: values.version,
    checkConfig: values['check-config'],
    configFile: values.config,
    sets: values.set,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        'check-config': { type: 'boolean', default: false },
        config: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
      },
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`${reason.split('. ')[0]}; see --help`)
  }
}

/** One line of the settings reference. */
export interface SettingDescription {
  readonly key: string
  readonly kind: string
  readonly unit: string | undefined
  readonly fallback: string
  readonly accepts: string
  readonly doc: string
  readonly variable: string
  /** Why the setting is accepted without effect. */
  readonly ignored: string | undefined
}

/** The settings table as data for documentation, in its order, without aliases. */
export function describeSettings(): SettingDescription[] {
  return [...ROWS]
    .filter(([key, row]) => key === row.key)
    .map(([key, { setting }]) => ({
      key,
      kind: setting.kind,
      unit: setting.unit,
      fallback: setting.derived ?? String(setting.fallback ?? 'unset'),
      accepts: setting.accepts,
      doc: setting.doc,
      variable: variableOf(key),
      ignored: setting.ignored,
    }))
}

/** The text of `--help`; ends with a newline. */
export function helpText(): string {
  const settings = describeSettings()
    .filter(row => row.ignored === undefined)
    .map(row => {
      const unit = row.unit === undefined ? '' : ` ${row.unit}`
      return `  ${row.key}\n      ${row.doc}\n      ${row.accepts}${unit}; default ${row.fallback}`
    })
  return `${USAGE}\n${settings.join('\n')}\n`
}

const USAGE = `Usage: npm start -- [options]

Options:
  --set key=value   sets one setting; may be repeated
  --config FILE     reads settings from a HOCON or JSON file
  --check-config    checks the settings and ends
  -h, --help        shows this text
  -v, --version     shows the version

A setting is taken from --set, else from the environment variable KRONOTOP_<KEY> (upper case,
underscores for dots), else from the file, else it has its default.

Settings:`
