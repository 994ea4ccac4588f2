/**
 * A RESP client for tests: it sends bytes as they are given, and shows replies as bytes, as frames
 * with their types, or as plain data.
 */
import { connect, type Socket } from 'node:net'
import * as assert from 'uvu/assert'

const ANSWER_LIMIT_MS = 30_000
const LINE_TYPES = '+-:,#_('
const BULK_TYPES = '$='
const AGGREGATE_TYPES = '*%~>'

export type Word = string | Buffer

/** One reply with its wire type: the first byte of its frame. */
export interface Frame {
  readonly type: string
  /** Text of a line type, bytes of a bulk, elements of an aggregate (a map's in wire order), or
   *  null for `$-1`, `*-1` and `_`. */
  readonly value: string | Buffer | readonly Frame[] | null
}

/** A reply as plain data: bulks as UTF-8 text, maps as `Map`, integers as numbers. */
export type Data = string | number | bigint | boolean | null | readonly Data[] | Map<Data, Data>

/** An error reply, thrown by `call`. */
export class ReplyError extends Error {}

export class RespClient {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #size = 0
  /** Bytes below which parsing again is of no use. */
  #needed = 1
  #isEnded = false
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#chunks.push(chunk)
      this.#size += chunk.length
      this.#wake?.()
    })
    const ended = (): void => {
      this.#isEnded = true
      this.#wake?.()
    }
    socket.on('end', ended)
    socket.on('close', ended)
    socket.on('error', ended)
  }

  static async connect(port: number): Promise<RespClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RespClient(socket)
  }

  /** Sends bytes; a string means latin1. */
  write(bytes: Word): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends a request and does not wait. */
  send(...words: Word[]): void {
    this.#socket.write(encodeRequest(words))
  }

  /** Sends a request and waits for its reply. @throws ReplyError  for an error reply */
  async call(...words: Word[]): Promise<Data> {
    return toData(await this.frame(...words))
  }

  /** As `call`, for a reply that is one bulk: its bytes. */
  async callBytes(...words: Word[]): Promise<Buffer> {
    return bytesOf(await this.frame(...words))
  }

  /** Sends a request that must fail. @returns `PREFIX text` */
  async error(...words: Word[]): Promise<string> {
    const { type, value } = await this.frame(...words)
    assert.is(type, '-', `an error was expected for ${words.join(' ')}`)
    return String(value)
  }

  /** Sends a request and waits for its reply. */
  async frame(...words: Word[]): Promise<Frame> {
    this.send(...words)
    return await this.read()
  }

  /** The next reply. */
  async read(): Promise<Frame> {
    for (;;) {
      await this.#until(() => this.#size >= this.#needed, 'a reply')
      const received = this.#received()
      const parsed = parseFrame(received, 0)
      if (typeof parsed !== 'number') {
        this.#take(parsed.end)
        return parsed.frame
      }
      this.#needed = Math.max(parsed, received.length + 1)
    }
  }

  /** The next reply as the bytes that came, as latin1 text. */
  async readText(): Promise<string> {
    for (;;) {
      await this.#until(() => this.#size >= this.#needed, 'a reply')
      const received = this.#received()
      const parsed = parseFrame(received, 0)
      if (typeof parsed !== 'number') return this.#take(parsed.end).toString('latin1')
      this.#needed = Math.max(parsed, received.length + 1)
    }
  }

  /** The next reply as plain data. @throws ReplyError  for an error reply */
  async readData(): Promise<Data> {
    return toData(await this.read())
  }

  /** The next `count` bytes, as latin1 text. */
  async readBytes(count: number): Promise<string> {
    await this.#until(() => this.#size >= count, `${count} bytes`)
    return this.#take(count).toString('latin1')
  }

  /** Expects exactly these bytes next (latin1). */
  async expect(reply: string): Promise<void> {
    await this.#until(() => this.#size >= reply.length || this.#isEnded, JSON.stringify(reply))
    const count = Math.min(reply.length, this.#size)
    assert.is(this.#take(count).toString('latin1'), reply)
  }

  /** Sends a request and expects exactly these bytes (latin1). */
  async exchange(words: readonly Word[], reply: string): Promise<void> {
    this.send(...words)
    await this.expect(reply)
  }

  /** Expects the server to close the connection, with nothing more sent. */
  async expectClose(): Promise<void> {
    await this.expectEnd()
    assert.is(this.#received().toString('latin1'), '')
  }

  /** Waits until the server closes the connection, whatever it sent. */
  async expectEnd(): Promise<void> {
    await this.#until(() => this.#isEnded, 'the end of the connection', true)
  }

  close(): void {
    this.#socket.destroy()
  }

  #received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  #take(count: number): Buffer {
    const all = this.#received()
    this.#chunks = count < all.length ? [all.subarray(count)] : []
    this.#size -= count
    this.#needed = 1
    return all.subarray(0, count)
  }

  async #until(done: () => boolean, what: string, mayEnd = false): Promise<void> {
    const deadline = Date.now() + ANSWER_LIMIT_MS
    while (!done()) {
      if (this.#isEnded && !mayEnd)
        throw new ConnectionEnded(`the connection ended instead of ${what}`)
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) {
        const received = this.#received().toString('latin1', 0, 200)
        throw new Error(`timed out waiting for ${what}; received ${JSON.stringify(received)}`)
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** The server went away in the middle. */
class ConnectionEnded extends Error {}

const STOPPING = 'ERR server is shutting down'
const GONE_CODES: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

/** Runs `body` to its end, or until the server it talks to is gone or on its way out. */
export async function untilGone(body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (cause) {
    const isGone = cause instanceof Error && 'code' in cause && GONE_CODES.has(cause.code)
    const isStopping = cause instanceof ReplyError && cause.message === STOPPING
    if (!isGone && !isStopping && !(cause instanceof ConnectionEnded)) throw cause
  }
}

/** A request as an array of bulks. A string is UTF-8. */
export function encodeRequest(words: readonly Word[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)]
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** Elements of an aggregate. */
export function elementsOf({ type, value }: Frame): readonly Frame[] {
  if (Array.isArray(value)) return value
  throw new ReplyError(`${type}${String(value)}, not an aggregate`)
}

/** Bytes of a bulk. */
export function bytesOf({ type, value }: Frame): Buffer {
  if (Buffer.isBuffer(value)) return value
  throw new ReplyError(`${type}${String(value)}, not a bulk`)
}

/** A frame as plain data. @throws ReplyError  for an error */
export function toData({ type, value }: Frame): Data {
  if (type === '-') throw new ReplyError(String(value))
  if (value === null) return null
  if (typeof value === 'string') return lineData(type, value)
  if (Buffer.isBuffer(value)) return value.toString()
  const elements = (value as readonly Frame[]).map(toData)
  if (type !== '%') return elements
  const map = new Map<Data, Data>()
  for (let i = 0; i < elements.length; i += 2) map.set(elements[i]!, elements[i + 1]!)
  return map
}

function lineData(type: string, text: string): Data {
  if (type === ',') return Number(text)
  if (type === '#') return text === 't'
  if (type === ':') return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)
  return text
}

type Parsed = { readonly frame: Frame; readonly end: number }

/** @returns a frame and where it ends; or the least number of bytes that would hold all of it */
function parseFrame(input: Buffer, at: number): Parsed | number {
  const lineEnd = input.indexOf('\r\n', at + 1, 'latin1')
  if (lineEnd < 0) return input.length + 1
  const type = String.fromCharCode(input[at]!)
  const text = input.toString('utf8', at + 1, lineEnd)
  const end = lineEnd + 2
  if (LINE_TYPES.includes(type)) return { frame: { type, value: type === '_' ? null : text }, end }
  const count = Number(text)
  if (!Number.isInteger(count)) throw new Error(`malformed reply: ${type}${text}`)
  if (count < 0) return { frame: { type, value: null }, end }
  if (BULK_TYPES.includes(type)) return parseBulk(input, end, { type, size: count })
  if (!AGGREGATE_TYPES.includes(type)) throw new Error(`unknown reply type: ${type}${text}`)
  return parseElements(input, end, { type, count: type === '%' ? count * 2 : count })
}

function parseBulk(
  input: Buffer,
  start: number,
  { type, size }: { type: string; size: number },
): Parsed | number {
  const end = start + size + 2
  if (input.length < end) return end
  assert.is(input.toString('latin1', end - 2, end), '\r\n', 'a bulk ends with CR LF')
  return { frame: { type, value: input.subarray(start, end - 2) }, end }
}

function parseElements(
  input: Buffer,
  start: number,
  { type, count }: { type: string; count: number },
): Parsed | number {
  const value: Frame[] = []
  let end = start
  for (let i = 0; i < count; i++) {
    const element = parseFrame(input, end)
    if (typeof element === 'number') return element
    value.push(element.frame)
    end = element.end
  }
  return { frame: { type, value }, end }
}
