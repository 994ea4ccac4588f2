/**
 * Files that FoundationDB's client library is told of. It says nothing about one that it cannot
 * use, or says so in its trace files only; so a start looks at them first.
 */

import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs'
import type { Config } from '../config/config.js'

/** Checks that the cluster file can be read; a directory names an embedded store.
 *  @throws Error  one line for the operator */
export function checkClusterFile(path: string): void {
  checkReadable('foundationdb.clusterfile', path)
}

/** Checks the files and directories of `foundationdb.network_options`.
 *  @throws Error  one line for the operator about the first that cannot be used */
export function checkNetworkFiles(settings: Config['foundationdb']['network_options']): void {
  const { trace, tls, client } = settings
  const group = 'foundationdb.network_options'
  for (const name of ['cert_path', 'key_path', 'ca_path'] as const) {
    const path = tls[name]
    if (path !== undefined) checkReadable(`${group}.tls.${name}`, path)
  }
  if (trace.enable !== undefined) checkWritable(`${group}.trace.enable`, trace.enable)
  if (client.tmp_dir !== undefined) checkWritable(`${group}.client.tmp_dir`, client.tmp_dir)
}

function checkReadable(setting: string, path: string): void {
  try {
    closeSync(openSync(path, 'r'))
  } catch (cause) {
    throw new Error(`${setting}: cannot read ${path} (${codeOf(cause)})`, { cause })
  }
}

function checkWritable(setting: string, path: string): void {
  try {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' })
    accessSync(path, constants.W_OK)
  } catch (cause) {
    const reason = codeOf(cause)
    throw new Error(`${setting}: ${path} is no directory that can be written to (${reason})`, {
      cause,
    })
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
}
