/** A libfdb_c without a cluster, `stand-in.c`, compiled where a test wants it. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { repositoryRoot } from '../repository.js'

const SOURCE = join(repositoryRoot, 'test/support/client-library/stand-in.c')

/** Compiles it with the compiler that Cargo links with. @param path  of the library to be made */
export function buildStandIn(path: string): void {
  const flags = ['-shared', '-fPIC', '-pthread', '-Wall', '-Wextra', '-Werror']
  execFileSync('cc', [...flags, '-o', path, SOURCE])
}
