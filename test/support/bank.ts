/** Processes that share a store and move money in it, as a test sees them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ACCOUNTS = 40
export const INITIAL_BALANCE = 1_000

/** What a process says. */
export type BankEvent =
  | { kind: 'ready' }
  | { kind: 'transferred'; record: string }
  | { kind: 'watching'; key: string }
  | { kind: 'fired'; key: string; fired: boolean }
  | { kind: 'audited'; accounts: [string, string][]; records: [string, string][] }

export interface Transfer {
  readonly from: number
  readonly to: number
  readonly amount: number
}

/** No event may take longer. */
const HANG_MS = 30_000

const PROGRAM = fileURLToPath(new URL('./bank-process.js', import.meta.url))

interface Listener {
  readonly matches: (event: BankEvent) => boolean
  readonly done: (event: BankEvent) => void
}

/** One of the processes. */
export class BankProcess {
  /** Records of the transfers that it was told are committed. */
  readonly transferred: string[] = []
  readonly #child: ChildProcess
  readonly #listeners = new Set<Listener>()
  #output = ''

  constructor(
    directory: string,
    readonly name: string,
    seed: number,
  ) {
    const argv = [PROGRAM, directory, name, String(seed)]
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', text => {
      this.#output += text
    })
    createInterface({ input: child.stdout }).on('line', line => this.#hear(line))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  tell(command: string): void {
    this.#child.stdin?.write(`${command}\n`)
  }

  /** The next event that matches. */
  async hears<K extends BankEvent['kind']>(
    kind: K,
    matches: (event: Extract<BankEvent, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<BankEvent, { kind: K }>> {
    type Wanted = Extract<BankEvent, { kind: K }>
    return new Promise((done, failed) => {
      const late = setTimeout(() => {
        failed(new Error(`${this.name} never said ${kind}: ${this.#output}`))
      }, HANG_MS)
      const listener: Listener = {
        matches: event => event.kind === kind && matches(event as Wanted),
        done: event => {
          clearTimeout(late)
          this.#listeners.delete(listener)
          done(event as Wanted)
        },
      }
      this.#listeners.add(listener)
    })
  }

  /** Resolves when so many more transfers are committed. */
  async transfers(count: number): Promise<void> {
    const wanted = this.transferred.length + count
    await this.hears('transferred', () => this.transferred.length >= wanted)
  }

  /** Ends the process as a crash does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  #hear(line: string): void {
    const event: BankEvent = JSON.parse(line)
    if (event.kind === 'transferred') this.transferred.push(event.record)
    for (const listener of this.#listeners) if (listener.matches(event)) listener.done(event)
  }
}
