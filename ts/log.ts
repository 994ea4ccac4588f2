/**
 * The log: pino's records as lines of text on standard output, in the layout
 *
 *     yyyy-MM-dd HH:mm:ss,SSS [LEVEL] [pid] [kronotop]: message key=value …
 *
 * followed by the stack of an error, if one was logged.
 */

import { type Logger, levels, pino } from 'pino'

interface LogRecord {
  readonly level: number
  readonly time: number
  readonly pid: number
  readonly msg?: string
  readonly err?: { readonly message: string; readonly stack?: string }
  readonly [field: string]: unknown
}

const STANDARD_FIELDS: ReadonlySet<string> = new Set([
  'level',
  'time',
  'pid',
  'hostname',
  'msg',
  'err',
])

/** @param write  takes each finished line, with its newline */
export function createLogger(level: string, write: (line: string) => void): Logger {
  return pino(
    { level: level.toLowerCase() },
    { write: (json: string) => write(formatRecord(JSON.parse(json) as LogRecord)) },
  )
}

function formatRecord(record: LogRecord): string {
  const level = (levels.labels[record.level] ?? String(record.level)).toUpperCase()
  const fields = Object.entries(record)
    .filter(([name]) => !STANDARD_FIELDS.has(name))
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const origin = `${timestamp(record.time)} [${level}] [${record.pid}] [kronotop]`
  const head = `${origin}: ${record.msg ?? ''}`
  const trouble = record.err === undefined ? '' : `\n${record.err.stack ?? record.err.message}`
  return `${head}${fields.join('')}${trouble}\n`
}

function timestamp(epochMs: number): string {
  const date = new Date(epochMs)
  const two = (part: number) => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day} ${time},${String(date.getMilliseconds()).padStart(3, '0')}`
}
