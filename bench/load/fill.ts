/** Fills a server with strings. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { encodeRequest } from '../../test/support/resp-client.js'

/** Requests that are sent together. */
const PACKET = 1_000

/** The key of string `i`: 16 bytes. */
export function keyOf(i: number): string {
  return `key:${String(i).padStart(12, '0')}`
}

/** Sets `count` strings of `bytes` bytes each, by pipelines over one connection. */
export async function fill(port: number, count: number, bytes: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const value = 'v'.repeat(bytes)
  for (let from = 0; from < count; from += PACKET) {
    const packet = Array.from({ length: Math.min(PACKET, count - from) }, (_, i) => {
      return encodeRequest(['SET', keyOf(from + i), value])
    })
    socket.write(Buffer.concat(packet))
    let missing = packet.length * '+OK\r\n'.length
    while (missing > 0) missing -= ((await once(socket, 'data')) as [Buffer])[0].length
  }
  socket.destroy()
}
