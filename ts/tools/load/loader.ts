/**
 * The load itself: several connections take batches from one reader; acknowledged batches move the
 * progress on in the order of the file, whatever the order of their replies.
 */
import { basename } from 'node:path'
import { Display } from './display.js'
import { type IdSource, type Outgoing, toDocument } from './documents.js'
import { LoadError } from './error.js'
import { type Batch, batchesOf, type Line, readLines } from './lines.js'
import type { LoadOptions } from './options.js'
import { type Counts, Progress } from './progress.js'
import { Target, type Verdict } from './target.js'

/** How a load ended. `seconds` and `documents` are those of this run, `counts` those of all runs
 *  that it took. */
export interface LoadResult {
  readonly counts: Counts
  readonly seconds: number
  readonly documents: number
}

/** What came of a batch, up to its last line or to the one before a line that ends the load. */
interface Finished {
  readonly last: Line | undefined
  readonly counts: Counts
  readonly mistake: string | undefined
}

/** Loads the file to its end.
 *  @param signal  ends the load after the requests in flight; the next one goes on from there
 *  @throws        LoadError; the progress made is on disk */
export async function load(options: LoadOptions, signal: AbortSignal): Promise<LoadResult> {
  const progress = new Progress(options)
  const loader = new Loader(options, progress, signal)
  const targets: Target[] = []
  try {
    for (let n = 0; n < options.connections; n++) targets.push(await Target.open(options))
    // ORDER: on disk before the first document is sent, because the ids depend on it.
    progress.save()
    await loader.run(targets).finally(() => progress.save())
  } finally {
    for (const target of targets) target.close()
  }
  signal.throwIfAborted()
  progress.remove()
  return { counts: progress.counts, ...loader.effort }
}

class Loader {
  readonly #options: LoadOptions
  readonly #progress: Progress
  readonly #display: Display
  readonly #signal: AbortSignal
  readonly #ids: IdSource
  /** Batches that are done while an earlier one is not. */
  readonly #finished = new Map<number, Finished>()
  #next = 0
  #documents = 0
  #failure: unknown

  constructor(options: LoadOptions, progress: Progress, signal: AbortSignal) {
    this.#options = options
    this.#progress = progress
    this.#signal = signal
    this.#ids = { second: progress.second, fileName: basename(options.file) }
    this.#display = new Display(this.#moment())
  }

  get effort(): { seconds: number; documents: number } {
    return { seconds: this.#display.seconds, documents: this.#documents }
  }

  async run(targets: readonly Target[]): Promise<void> {
    const lines = readLines(this.#options.file, this.#progress.position)
    const batches = batchesOf(lines, this.#options.batch)
    try {
      await Promise.all(targets.map(target => this.#work(target, batches)))
    } finally {
      await batches.return(undefined)
      this.#display.stop()
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** One connection's share. A failure ends all shares after the requests they have in flight. */
  async #work(target: Target, batches: AsyncGenerator<Batch>): Promise<void> {
    while (this.#failure === undefined && !this.#signal.aborted) {
      try {
        const { value: batch, done } = await batches.next()
        if (done === true) return
        const finished = await this.#send(target, batch.lines)
        this.#finish(batch.index, finished)
        if (finished.mistake !== undefined) throw new LoadError(finished.mistake)
      } catch (error) {
        this.#failure ??= error
      }
    }
  }

  /** Sends the documents of a batch and gives every line its fate. */
  async #send(target: Target, lines: readonly Line[]): Promise<Finished> {
    const fates = new Map<Line, Verdict>()
    const outgoing: Outgoing[] = []
    for (const line of lines) {
      const made = toDocument(line, this.#ids)
      if ('document' in made) outgoing.push({ line, document: made.document })
      else {
        fates.set(line, { refused: made.mistake })
        if (this.#options.onError === 'stop') break
      }
    }
    const verdicts = await target.insert(outgoing)
    verdicts.forEach((verdict, at) => {
      const line = outgoing[at]?.line
      if (line !== undefined) fates.set(line, verdict)
    })
    return this.#count(lines, fates)
  }

  #count(lines: readonly Line[], fates: ReadonlyMap<Line, Verdict>): Finished {
    const counts = { inserted: 0, present: 0, skipped: 0 }
    let last: Line | undefined
    for (const line of lines) {
      const fate = fates.get(line)
      if (fate === 'inserted') counts.inserted++
      else if (fate === 'present') counts.present++
      else {
        const mistake = this.#describe(line, fate?.refused ?? 'it was not sent')
        if (this.#options.onError === 'stop') return { last, counts, mistake }
        console.error(`skipped ${mistake}`)
        counts.skipped++
      }
      last = line
    }
    return { last, counts, mistake: undefined }
  }

  #describe(line: Line, what: string): string {
    return `${basename(this.#options.file)}:${line.number}: ${what}`
  }

  /** INVARIANT: the stored position never passes a batch that is not done. */
  #finish(index: number, finished: Finished): void {
    const { inserted, present, skipped } = finished.counts
    this.#documents += inserted + present + skipped
    this.#finished.set(index, finished)
    for (;;) {
      const next = this.#finished.get(this.#next)
      if (next === undefined) break
      this.#finished.delete(this.#next++)
      const { last, counts } = next
      if (last !== undefined) {
        this.#progress.advance({ offset: last.end, lineNumber: last.number }, counts)
      }
      // The rest of such a batch is not done, so no later one may count.
      if (next.mistake !== undefined) this.#next = Number.POSITIVE_INFINITY
    }
    this.#display.update(this.#moment())
  }

  #moment() {
    const { position, sizeBytes } = this.#progress
    return { offset: position.offset, sizeBytes, documents: this.#documents }
  }
}
