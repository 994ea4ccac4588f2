/** How ids that are versionstamps are shown. */

const BASE32HEX = '0123456789ABCDEFGHIJKLMNOPQRSTUV'
const STAMP_CHARS = 24

/** Base32hex of a stamp of 12 bytes, padded with `x` to 24 characters. */
export function stampText(stamp: Buffer): string {
  let bits = 0
  let pending = 0
  let text = ''
  for (const byte of stamp) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BASE32HEX.charAt((pending >>> bits) & 31)
    }
    pending &= (1 << bits) - 1
  }
  if (bits > 0) text += BASE32HEX.charAt((pending << (5 - bits)) & 31)
  return text.padEnd(STAMP_CHARS, 'x')
}
