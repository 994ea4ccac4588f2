/** Shows how a load goes: a bar on a terminal, a line a second elsewhere. */
import { Presets, SingleBar } from 'cli-progress'

/** A moment of a load. `documents` counts those of this run, for the rate. */
export interface Moment {
  readonly offset: number
  readonly sizeBytes: number
  readonly documents: number
}

const LINE_EVERY_MS = 1000

export class Display {
  readonly #startedAt = performance.now()
  readonly #bar: SingleBar | undefined
  #lineAt = performance.now()

  constructor(first: Moment) {
    if (!process.stderr.isTTY) return
    const format = '{bar} {percentage}% | {documents} documents | {rate} documents/s'
    this.#bar = new SingleBar({ format, etaBuffer: 50, hideCursor: true }, Presets.shades_classic)
    this.#bar.start(first.sizeBytes, first.offset, { documents: 0, rate: 0 })
  }

  update({ offset, sizeBytes, documents }: Moment): void {
    const rate = this.rate(documents)
    if (this.#bar !== undefined) {
      this.#bar.update(offset, { documents, rate })
      return
    }
    if (performance.now() - this.#lineAt < LINE_EVERY_MS) return
    this.#lineAt = performance.now()
    const percent = Math.floor((offset / Math.max(1, sizeBytes)) * 100)
    console.error(`${percent}% | ${documents} documents | ${rate} documents/s`)
  }

  stop(): void {
    this.#bar?.stop()
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  /** Documents a second since the start. */
  rate(documents: number): number {
    return Math.round(documents / Math.max(0.001, this.seconds))
  }
}
