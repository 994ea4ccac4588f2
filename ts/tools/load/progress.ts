/**
 * Remembers how far a load has come, in a file beside the input. The position only ever covers
 * lines that the server has acknowledged; lines behind it may have been acknowledged as well, and
 * are recognised by their ids when they are sent again.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import * as v from 'valibot'
import { LoadError } from './error.js'
import type { Position } from './lines.js'

/** What became of lines. `present`: a document with that `_id` was there already. */
export interface Counts {
  readonly inserted: number
  readonly present: number
  readonly skipped: number
}

const STATE = v.object({
  version: v.literal(1),
  bucket: v.string(),
  namespace: v.nullable(v.string()),
  second: v.number(),
  headBytes: v.number(),
  headHash: v.string(),
  offset: v.number(),
  lineNumber: v.number(),
  inserted: v.number(),
  present: v.number(),
  skipped: v.number(),
})

type State = v.InferOutput<typeof STATE>

/** The beginning of what was acknowledged identifies the input when a load goes on; what is
 *  behind it may have been mended meanwhile. */
const HEAD_BYTES = 65_536

const SAVE_EVERY_MS = 250

export class Progress {
  readonly sizeBytes: number
  readonly resumed: boolean
  #state: State
  #savedAt = 0
  readonly #file: string
  readonly #path: string

  /** Opens the progress of an input, or begins a new one; nothing is written yet.
   *  @throws LoadError if the input is missing, is another one than before, or goes elsewhere */
  constructor(options: {
    file: string
    bucket: string
    namespace: string | undefined
    restart: boolean
  }) {
    const { file, bucket, namespace = null, restart } = options
    this.#file = file
    this.#path = `${file}.kronotop-progress`
    const { size, mtimeMs } = statInput(file)
    this.sizeBytes = size
    const earlier = restart ? undefined : readState(this.#path)
    this.resumed = earlier !== undefined
    if (earlier !== undefined) {
      checkSame(earlier, file, { bucket, namespace, size })
      this.#state = earlier
      return
    }
    this.#state = {
      version: 1,
      bucket,
      namespace,
      second: Math.floor(mtimeMs / 1000) % 2 ** 32,
      headBytes: 0,
      headHash: hashHead(file, 0),
      offset: 0,
      lineNumber: 0,
      inserted: 0,
      present: 0,
      skipped: 0,
    }
  }

  get position(): Position {
    return { offset: this.#state.offset, lineNumber: this.#state.lineNumber }
  }

  get counts(): Counts {
    const { inserted, present, skipped } = this.#state
    return { inserted, present, skipped }
  }

  /** First part of the ids of this load. */
  get second(): number {
    return this.#state.second
  }

  /** Moves on past acknowledged lines; written to disk a few times a second. */
  advance(to: Position, counts: Counts): void {
    const state = this.#state
    this.#state = {
      ...state,
      ...to,
      inserted: state.inserted + counts.inserted,
      present: state.present + counts.present,
      skipped: state.skipped + counts.skipped,
    }
    if (performance.now() - this.#savedAt > SAVE_EVERY_MS) this.save()
  }

  /** ORDER: renamed into place, so that a crash leaves the old or the new state, never half. */
  save(): void {
    const headBytes = Math.min(this.#state.offset, HEAD_BYTES)
    if (headBytes > this.#state.headBytes) {
      this.#state = { ...this.#state, headBytes, headHash: hashHead(this.#file, headBytes) }
    }
    const fresh = `${this.#path}.new`
    writeFileSync(fresh, `${JSON.stringify(this.#state)}\n`)
    renameSync(fresh, this.#path)
    this.#savedAt = performance.now()
  }

  /** The load is complete: nothing to go on with. */
  remove(): void {
    rmSync(this.#path, { force: true })
  }
}

function checkSame(
  earlier: State,
  file: string,
  now: { bucket: string; namespace: string | null; size: number },
): void {
  const target = (namespace: string | null, bucket: string) =>
    namespace === null ? bucket : `${namespace} ${bucket}`
  const before = target(earlier.namespace, earlier.bucket)
  if (before !== target(now.namespace, now.bucket)) {
    throw new LoadError(
      `a load of this file into ${before} is unfinished: finish that, or use --restart`,
    )
  }
  if (now.size < earlier.offset || hashHead(file, earlier.headBytes) !== earlier.headHash) {
    throw new LoadError(`${file} has changed since its load began: use --restart`)
  }
}

function readState(path: string): State | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new LoadError(`${path} cannot be read: ${(cause as NodeJS.ErrnoException).code}`)
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), STATE), text)
  if (parsed.success) return parsed.output
  throw new LoadError(`${path} is no progress file: delete it, or use --restart`)
}

function statInput(file: string): { size: number; mtimeMs: number } {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats?.isFile() === true) return stats
  throw new LoadError(`${file} is ${stats === undefined ? 'not there' : 'no file'}`)
}

function hashHead(file: string, length: number): string {
  const head = Buffer.alloc(length)
  const descriptor = openSync(file, 'r')
  try {
    const read = readSync(descriptor, head, 0, length, 0)
    return createHash('sha256').update(head.subarray(0, read)).digest('hex')
  } finally {
    closeSync(descriptor)
  }
}
