/** Client libraries for tests: those of other machines, as far as they can be had here. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nativePath } from '../../../ts/native.js'
import { repositoryRoot } from '../repository.js'

const SOURCE = join(repositoryRoot, 'test/support/client-library/stand-in.c')

/** Makes a libfdb_c that never has a cluster, with the compiler that Cargo links with. */
export function buildStandIn(path: string): void {
  const flags = ['-shared', '-fPIC', '-pthread', '-Wall', '-Wextra', '-Werror']
  execFileSync('cc', [...flags, '-o', path, SOURCE])
}

/** Makes a copy of our libfdb_c whose additions to FoundationDB's C API are not found by their
 *  names, so that it is used as FoundationDB's own is. */
export function copyWithoutAdditions(path: string): void {
  const library = readFileSync(nativePath('libfdb_c.so'), 'latin1')
  const renamed = library.replaceAll(/\0kronotop_(?=\w+\0)/g, '\0kronotop-')
  if (renamed === library) throw new Error('our libfdb_c has no additions by that name')
  writeFileSync(path, renamed, 'latin1')
}
