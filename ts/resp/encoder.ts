/**
 * The one encoder: plain data plus a reply type becomes RESP2 or RESP3.
 *
 *   type        RESP2                       RESP3
 *   null        $-1                         _
 *   null array  *-1                         _
 *   map         *2n key value …             %n key value …
 *   record      *n value …                  %n key value …
 *   pairs       *2n key value …             *n of *2 key value
 *   set         *n item …                   ~n item …
 *   double      $len text                   ,text
 *   boolean     :1 / :0                     #t / #f
 *
 * Everything else is the same in both. Data that does not fit its type is a bug of the command and
 * throws TypeError; the caller then drops what was written.
 */
import { RespError } from '../error.js'
import { formatDouble } from './numbers.js'
import { PackedBulks, type ReplyField, type ReplyShape, Status, Typed } from './reply.js'
import { Rope } from './rope.js'
import { Span } from './span.js'
import type { ReplyWriter } from './writer.js'

const LINE_BREAKS = /[\r\n]/g
/** Longest string whose UTF-8 length is found by counting rather than by a native call. */
const COUNTED_TEXT_MAX = 64
/** Bulks of a packed array from this size on are handed over as ropes. */
const LARGE_BULK_BYTES = 64 * 1024
const COLON = 0x3a
const DOLLAR = 0x24
/** Below it the writer makes the digits. */
const LINE_END = 2 ** 31

/** Encodes replies of one protocol into one writer; it keeps no state between replies. */
export class Encoder {
  readonly #out: ReplyWriter

  constructor(out: ReplyWriter) {
    this.#out = out
  }

  /** Appends one reply. @throws TypeError when the data does not fit the type */
  reply(shape: ReplyShape, data: unknown, protocol: 2 | 3): void {
    switch (shape.kind) {
      case 'ok':
        this.#out.latin1('+OK\r\n')
        return
      case 'simple':
        this.status(expectString(data))
        return
      case 'integer':
        this.#integer(data)
        return
      case 'bulk':
        this.#bulk(data)
        return
      case 'binary':
        this.#binary(isBytes(data) ? data : expectString(data))
        return
      case 'encoded':
        this.#encoded(data)
        return
      case 'double':
        this.#double(data, protocol)
        return
      case 'boolean':
        this.#boolean(data, protocol)
        return
      default:
        this.#composite(shape, data, protocol)
    }
  }

  /** `+text`. */
  status(text: string): void {
    this.#out.utf8(`+${oneLine(text)}\r\n`)
  }

  /** `-PREFIX text`. */
  error(error: RespError): void {
    this.#out.utf8(`-${oneLine(`${error.prefix} ${error.message}`)}\r\n`)
  }

  /** The head of an array, whose `count` elements follow as replies of their own. */
  arrayLength(count: number): void {
    this.#out.latin1(`*${count}\r\n`)
  }

  #composite(shape: ReplyShape, data: unknown, protocol: 2 | 3): void {
    switch (shape.kind) {
      case 'nullable':
      case 'nullableArray':
        if (data !== null && data !== undefined) this.reply(shape.of, data, protocol)
        else this.#null(shape.kind === 'nullable' ? '$-1\r\n' : '*-1\r\n', protocol)
        return
      case 'array':
        this.#array(shape.of, data, protocol)
        return
      case 'tuple':
        this.#tuple(shape.of, data, protocol)
        return
      case 'map':
      case 'record':
        this.#fields(shape, data, protocol)
        return
      case 'mapOf':
      case 'pairs':
        this.#pairs(shape, data, protocol)
        return
      case 'oneOf':
        if (!(data instanceof Typed)) throw new TypeError('a oneOf reply needs typed data')
        this.reply(data.shape, data.data, protocol)
        return
      default:
        this.#any(data, protocol)
    }
  }

  #null(resp2: string, protocol: 2 | 3): void {
    this.#out.latin1(protocol === 3 ? '_\r\n' : resp2)
  }

  #integer(data: unknown): void {
    if (typeof data === 'number' && data >= 0 && data < LINE_END && Number.isInteger(data)) {
      this.#out.line(COLON, data)
    } else if (typeof data === 'bigint' || Number.isSafeInteger(data)) {
      this.#out.latin1(`:${data}\r\n`)
    } else {
      throw new TypeError(`not an integer: ${String(data)}`)
    }
  }

  #bulk(data: unknown): void {
    if (typeof data === 'string') {
      this.#length(utf8Length(data))
      this.#out.utf8(data)
    } else if (data instanceof Uint8Array) {
      this.#length(data.length)
      this.#out.raw(data)
    } else {
      throw new TypeError(`not bytes or text: ${typeof data}`)
    }
    this.#out.latin1('\r\n')
  }

  #binary(data: string | Span | Rope | Uint8Array): void {
    this.#length(data.length)
    if (data instanceof Span) this.#out.span(data)
    else if (typeof data === 'string') this.#out.latin1(data)
    else if (data instanceof Rope) this.#out.rope(data)
    else this.#out.raw(data)
    this.#out.latin1('\r\n')
  }

  #length(size: number): void {
    this.#out.line(DOLLAR, size)
  }

  #encoded(data: unknown): void {
    if (typeof data === 'string') this.#out.latin1(data)
    else if (data instanceof Rope) this.#out.rope(data)
    else if (data instanceof Uint8Array) this.#out.raw(data)
    else throw new TypeError(`not encoded: ${typeof data}`)
  }

  #double(data: unknown, protocol: 2 | 3): void {
    if (typeof data !== 'number') throw new TypeError(`not a double: ${typeof data}`)
    const text = formatDouble(data)
    if (protocol === 3) this.#out.latin1(`,${text}\r\n`)
    else this.#binary(text)
  }

  #boolean(data: unknown, protocol: 2 | 3): void {
    if (typeof data !== 'boolean') throw new TypeError(`not a boolean: ${typeof data}`)
    if (protocol === 3) this.#out.latin1(data ? '#t\r\n' : '#f\r\n')
    else this.#out.latin1(data ? ':1\r\n' : ':0\r\n')
  }

  #array(of: ReplyShape, data: unknown, protocol: 2 | 3): void {
    if (data instanceof PackedBulks) {
      this.#packed(data)
      return
    }
    const items = expectArray(data)
    this.#out.latin1(`*${items.length}\r\n`)
    for (let i = 0; i < items.length; i++) this.reply(of, items[i], protocol)
  }

  #packed({ payload, ends }: PackedBulks): void {
    this.#out.latin1(`*${ends.length}\r\n`)
    let start = 0
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i]!
      this.#length(end - start)
      if (end - start < LARGE_BULK_BYTES) this.#out.part(payload, start, end)
      else this.#out.rope(Rope.join([payload.subarray(start, end)]))
      this.#out.latin1('\r\n')
      start = end
    }
  }

  #tuple(of: readonly ReplyShape[], data: unknown, protocol: 2 | 3): void {
    const items = expectArray(data)
    if (items.length !== of.length) throw new TypeError(`not a tuple of ${of.length}`)
    this.#out.latin1(`*${items.length}\r\n`)
    for (let i = 0; i < items.length; i++) this.reply(of[i]!, items[i], protocol)
  }

  #fields(
    shape: { kind: 'map' | 'record'; fields: readonly ReplyField[] },
    data: unknown,
    protocol: 2 | 3,
  ): void {
    if (typeof data !== 'object' || data === null) throw new TypeError('not an object')
    const values = data as Readonly<Record<string, unknown>>
    const { fields } = shape
    const named = protocol === 3 || shape.kind === 'map'
    if (protocol === 3) this.#out.latin1(`%${fields.length}\r\n`)
    else this.#out.latin1(`*${named ? fields.length * 2 : fields.length}\r\n`)
    for (const field of fields) {
      if (named) this.#bulk(field.name)
      this.reply(field.shape, values[field.name], protocol)
    }
  }

  #pairs(
    shape: { kind: 'mapOf' | 'pairs'; key: ReplyShape; value: ReplyShape },
    data: unknown,
    protocol: 2 | 3,
  ): void {
    const isMap = data instanceof Map
    const entries = isMap ? (data as ReadonlyMap<unknown, unknown>) : expectArray(data)
    const count = isMap ? data.size : (entries as readonly unknown[]).length
    if (protocol === 2) this.#out.latin1(`*${count * 2}\r\n`)
    else this.#out.latin1(`${shape.kind === 'mapOf' ? '%' : '*'}${count}\r\n`)
    const nested = protocol === 3 && shape.kind === 'pairs'
    for (const [key, value] of entries as Iterable<readonly [unknown, unknown]>) {
      if (nested) this.#out.latin1('*2\r\n')
      this.reply(shape.key, key, protocol)
      this.reply(shape.value, value, protocol)
    }
  }

  #set(items: ReadonlySet<unknown>, protocol: 2 | 3): void {
    this.#out.latin1(`${protocol === 3 ? '~' : '*'}${items.size}\r\n`)
    for (const item of items) this.#any(item, protocol)
  }

  #any(data: unknown, protocol: 2 | 3): void {
    if (data === null || data === undefined) this.#null('$-1\r\n', protocol)
    else if (typeof data === 'string' || data instanceof Uint8Array) this.#bulk(data)
    else if (typeof data === 'boolean') this.#boolean(data, protocol)
    else if (typeof data === 'bigint' || Number.isSafeInteger(data)) this.#integer(data)
    else if (typeof data === 'number') this.#double(data, protocol)
    else if (data instanceof Status) this.status(data.text)
    else if (data instanceof Typed) this.reply(data.shape, data.data, protocol)
    else if (data instanceof RespError) this.error(data)
    else if (Array.isArray(data) || data instanceof PackedBulks) this.#array(ANY, data, protocol)
    else if (data instanceof Map) this.#pairs(ANY_MAP, data, protocol)
    else if (data instanceof Set) this.#set(data, protocol)
    else if (typeof data === 'object') this.#pairs(ANY_MAP, Object.entries(data), protocol)
    else throw new TypeError(`no reply type for ${typeof data}`)
  }
}

const ANY: ReplyShape = { kind: 'any' }
const ANY_MAP = { kind: 'mapOf', key: ANY, value: ANY } as const

function isBytes(data: unknown): data is Span | Rope | Uint8Array {
  return data instanceof Span || data instanceof Rope || data instanceof Uint8Array
}

function expectString(data: unknown): string {
  if (typeof data !== 'string') throw new TypeError(`not text: ${typeof data}`)
  return data
}

function expectArray(data: unknown): readonly unknown[] {
  if (!Array.isArray(data)) throw new TypeError('not an array')
  return data
}

function oneLine(text: string): string {
  return text.replace(LINE_BREAKS, ' ')
}

/** Bytes of a string in UTF-8. */
function utf8Length(text: string): number {
  const { length } = text
  if (length > COUNTED_TEXT_MAX) return Buffer.byteLength(text)
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text)
  }
  return length
}
