/** Servers whose connections move few bytes at a time, by `short_io.cc`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reportSkip } from './outcome.js'

const SOURCE = new URL('../../../test/support/short_io.cc', import.meta.url)
const FLAGS = ['-std=c++17', '-O2', '-shared', '-fPIC', '-fvisibility=hidden', '-pthread']
const COUNTS_BYTES = 32

/** How many bytes a read or write of a connection moves at most, in turn; none = any number. */
export interface Caps {
  readonly reads: readonly number[]
  readonly writes: readonly number[]
}

/** What was cut so far. */
export interface Cuts {
  readonly reads: number
  readonly readBytes: number
  readonly writes: number
  readonly writtenBytes: number
}

export class ShortIo {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Builds the library.
   *  @param what  the behaviour left untested where that cannot be done
   *  @returns     undefined, with a line that says why, then */
  static makeOrSkip(what: string): ShortIo | undefined {
    if (process.platform !== 'linux') {
      reportSkip(what, 'the library that cuts reads and writes is for Linux')
      return undefined
    }
    const directory = mkdtempSync(join(tmpdir(), 'kronotop-short-io-'))
    const shortIo = new ShortIo(directory)
    const [compiler = '', ...first] = (process.env.CXX || 'c++').split(' ')
    const args = [...first, ...FLAGS, '-o', shortIo.#library, fileURLToPath(SOURCE), '-ldl']
    const { error, status, stderr } = spawnSync(compiler, args)
    if (error === undefined && status === 0) return shortIo
    shortIo.dispose()
    if (error === undefined) throw new Error(`the library does not compile:\n${stderr}`)
    reportSkip(what, 'no C++ compiler on the PATH: install g++ or set CXX')
    return undefined
  }

  /** Environment of a process under the library; counting starts anew. */
  variables({ reads, writes }: Caps): Record<string, string> {
    writeFileSync(this.#counts, Buffer.alloc(COUNTS_BYTES))
    return {
      LD_PRELOAD: this.#library,
      SHORT_IO_COUNTS: this.#counts,
      SHORT_IO_READS: reads.join(),
      SHORT_IO_WRITES: writes.join(),
    }
  }

  get cuts(): Cuts {
    const bytes = readFileSync(this.#counts)
    const [reads, readBytes, writes, writtenBytes] = [0, 8, 16, 24].map(at =>
      Number(bytes.readBigUInt64LE(at)),
    )
    return { reads: reads!, readBytes: readBytes!, writes: writes!, writtenBytes: writtenBytes! }
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  get #library(): string {
    return join(this.#directory, 'short-io.so')
  }

  get #counts(): string {
    return join(this.#directory, 'counts')
  }
}
