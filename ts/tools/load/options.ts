/** The command line of the loader. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { LoadError } from './error.js'

/** What to load, and where to.
 *  batch        documents of one request
 *  connections  requests in flight, each on a connection of its own
 *  onError      whether a line that is no document, or that the server refuses, ends the load
 *  restart      begin at the first line although a progress file is there */
export interface LoadOptions {
  readonly file: string
  readonly bucket: string
  readonly namespace: string | undefined
  readonly host: string
  readonly port: number
  readonly batch: number
  readonly connections: number
  readonly onError: 'stop' | 'skip'
  readonly restart: boolean
}

export const USAGE = `Usage: npm run load -- FILE.jsonl --bucket NAME [options]

Loads a file with one JSON document a line. Run again after an interruption, the same command goes
on where it stopped; no document is stored twice.

  --bucket NAME      bucket to load into; made if it is absent
  --namespace PATH   its namespace; made if it is absent (default: that of the server)
  --host HOST        (127.0.0.1)
  --port PORT        client port (5484)
  --batch N          documents of one request (100)
  --connections N    requests in flight (4)
  --on-error MODE    what to do about a bad line: stop or skip (stop)
  --restart          begin at the first line again
  --help`

/** @param base  directory that a relative FILE is seen from
 *  @returns     undefined if help was asked for
 *  @throws      LoadError */
export function parseOptions(argv: readonly string[], base: string): LoadOptions | undefined {
  const { values, positionals } = parse(argv)
  if (values.help) return undefined
  const [file, ...others] = positionals
  if (file === undefined || others.length > 0) throw new LoadError('name one FILE; see --help')
  if (!values.bucket) throw new LoadError('--bucket NAME is missing; see --help')
  const onError = values['on-error']
  if (onError !== 'stop' && onError !== 'skip') throw new LoadError('--on-error is stop or skip')
  return {
    file: resolve(base, file),
    bucket: values.bucket,
    namespace: values.namespace,
    host: values.host,
    port: wholeNumber('port', values.port, 65_535),
    batch: wholeNumber('batch', values.batch, 10_000),
    connections: wholeNumber('connections', values.connections, 64),
    onError,
    restart: values.restart,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        bucket: { type: 'string' },
        namespace: { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '5484' },
        batch: { type: 'string', default: '100' },
        connections: { type: 'string', default: '4' },
        'on-error': { type: 'string', default: 'stop' },
        restart: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (cause) {
    throw new LoadError(cause instanceof Error ? cause.message : String(cause))
  }
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= max) return value
  throw new LoadError(`--${name} is a whole number from 1 to ${max}`)
}
