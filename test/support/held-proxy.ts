/** A TCP proxy in front of a server that stops forwarding after so many bytes, until `release`: a
 *  test can act in the middle of a client's work, whatever its speed. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class HeldProxy {
  /** Resolves once the bound is reached; from then on the server receives nothing more. */
  readonly held: Promise<void>
  readonly #server: Server
  readonly #clients = new Set<Socket>()
  #left: number
  #hold = (): void => {}

  private constructor(target: number, bytes: number) {
    this.#left = bytes
    this.held = new Promise<void>(resolve => {
      this.#hold = resolve
    })
    this.#server = createServer(client => this.#forward(client, connect(target, '127.0.0.1')))
  }

  /** @param target  port on the loopback address
   *  @param bytes   forwarded to the server at most, over all connections */
  static async open(target: number, bytes: number): Promise<HeldProxy> {
    const proxy = new HeldProxy(target, bytes)
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Forwards everything from now on. */
  release(): void {
    this.#left = Number.POSITIVE_INFINITY
    for (const client of this.#clients) client.resume()
  }

  /** Drops all connections. */
  close(): void {
    this.#server.close()
    for (const client of this.#clients) client.destroy()
  }

  #forward(client: Socket, upstream: Socket): void {
    this.#clients.add(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    upstream.on('data', data => client.write(data))
    client.on('data', data => {
      const passed = data.subarray(0, this.#left)
      upstream.write(passed)
      this.#left -= passed.length
      if (this.#left > 0) return
      client.pause()
      if (passed.length < data.length) client.unshift(data.subarray(passed.length))
      this.#hold()
    })
  }
}
