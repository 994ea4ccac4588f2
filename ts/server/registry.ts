/**
 * The commands of one port, found by the bytes of the name: no string is made for a request.
 *
 *   table   | - | ZGET | - | SET | GET | - | …      open addressing, at most half full
 *
 * The hash folds ASCII letters to upper case, so that every spelling finds the same place.
 */
import type { Frame } from '../resp/frame.js'
import type { Command, Port } from './command.js'

interface Entry {
  readonly name: Buffer
  readonly command: Command
}

export class Registry {
  readonly #byName = new Map<string, Command>()
  readonly #table: (Entry | undefined)[]
  readonly #mask: number
  readonly #longestName: number
  /** What was found last. Clients send the same command again and again, in upper case. */
  #last: Entry | undefined

  /** Takes from `commands` those that `port` serves. @throws Error when a name comes twice */
  constructor(
    commands: Iterable<Command>,
    readonly port: Port,
  ) {
    for (const command of commands) {
      if (command.port !== port && command.port !== 'both') continue
      if (this.#byName.has(command.name)) throw new Error(`command ${command.name} declared twice`)
      this.#byName.set(command.name, command)
    }
    let size = 16
    while (size < this.#byName.size * 2) size *= 2
    this.#mask = size - 1
    this.#table = new Array(size).fill(undefined)
    let longestName = 0
    for (const command of this.#byName.values()) {
      this.#insert({ name: Buffer.from(command.name, 'latin1'), command })
      longestName = Math.max(longestName, command.name.length)
    }
    this.#longestName = longestName
  }

  /** The command that the first word of a request names, in any case. */
  find(frame: Frame): Command | undefined {
    const from = frame.base + frame.starts[0]!
    const size = frame.ends[0]! - frame.starts[0]!
    if (size > this.#longestName) return undefined
    const { input } = frame
    const last = this.#last
    if (last !== undefined && equals(last.name, input, from, size)) return last.command
    let place = hash(input, from, size) & this.#mask
    for (;;) {
      const entry = this.#table[place]
      if (entry === undefined) return undefined
      if (matches(entry.name, input, from, size)) {
        this.#last = entry
        return entry.command
      }
      place = (place + 1) & this.#mask
    }
  }

  /** By name, in any case. */
  get(name: string): Command | undefined {
    return this.#byName.get(name.toUpperCase())
  }

  get size(): number {
    return this.#byName.size
  }

  /** In the order of their declaration. */
  [Symbol.iterator](): IterableIterator<Command> {
    return this.#byName.values()
  }

  #insert(entry: Entry): void {
    let place = hash(entry.name, 0, entry.name.length) & this.#mask
    while (this.#table[place] !== undefined) place = (place + 1) & this.#mask
    this.#table[place] = entry
  }
}

/** FNV-1a over bytes of which ASCII letters are folded to upper case. */
function hash(bytes: Buffer, from: number, size: number): number {
  let value = 0x811c9dc5
  for (let i = 0; i < size; i++) value = Math.imul(value ^ upper(bytes[from + i]!), 0x01000193)
  return value ^ (value >>> 15)
}

/** As `matches`, for a name that came in upper case. */
function equals(name: Buffer, bytes: Buffer, from: number, size: number): boolean {
  if (name.length !== size) return false
  for (let i = 0; i < size; i++) if (name[i] !== bytes[from + i]) return false
  return true
}

function matches(name: Buffer, bytes: Buffer, from: number, size: number): boolean {
  if (name.length !== size) return false
  for (let i = 0; i < size; i++) {
    if (name[i] !== upper(bytes[from + i]!)) return false
  }
  return true
}

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte
}
