/** Steps that undo a start, run in reverse order; one that fails does not keep back the others. */

import type { Logger } from 'pino'

export class Teardown {
  readonly #log: Logger
  readonly #steps: { readonly name: string; readonly run: () => unknown }[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  add(name: string, run: () => unknown): void {
    this.#steps.push({ name, run })
  }

  /** Runs each step once, last added first. @returns true when every step went through */
  async run(): Promise<boolean> {
    let clean = true
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.run()
      } catch (cause) {
        clean = false
        this.#log.error({ err: cause }, `stopping: ${step.name} failed`)
      }
    }
    return clean
  }
}
