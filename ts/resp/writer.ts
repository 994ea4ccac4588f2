/**
 * A growable byte buffer that replies are encoded into. One is shared by all connections of a
 * transport: [0, length) holds reply bytes that the transport has not taken yet.
 */

const ASCII_LOOP_MAX = 48

export class ReplyWriter {
  bytes: Buffer
  length = 0

  /** @param initialBytes capacity to start with; it doubles when it runs out */
  constructor(initialBytes = 64 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Makes room for `extra` more bytes. The content [0, length) is kept. */
  ensure(extra: number): void {
    const need = this.length + extra
    if (need <= this.bytes.length) return
    let capacity = this.bytes.length * 2
    while (capacity < need) capacity *= 2
    const grown = Buffer.allocUnsafeSlow(capacity)
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  /** Appends text of which every code unit is below 256 (RESP framing, numbers, stored latin1). */
  latin1(text: string): void {
    const size = text.length
    this.ensure(size)
    if (size <= ASCII_LOOP_MAX) {
      const { bytes } = this
      let at = this.length
      for (let i = 0; i < size; i++) bytes[at++] = text.charCodeAt(i)
      this.length = at
    } else {
      this.length += this.bytes.latin1Write(text, this.length, size)
    }
  }

  /** Appends UTF-8 text. */
  utf8(text: string): void {
    this.ensure(text.length * 3)
    this.length += this.bytes.utf8Write(text, this.length)
  }

  /** Appends raw bytes, copied. */
  raw(data: Uint8Array): void {
    this.ensure(data.length)
    this.bytes.set(data, this.length)
    this.length += data.length
  }
}
