/** The client libraries that people use, behind one interface, in both protocols. */
import { Redis } from 'ioredis'
import { createClient, RESP_TYPES } from 'redis'

export interface Driver {
  readonly name: string
  /** Sends a command; an error reply is thrown with its text as the message. */
  run(...words: (string | Buffer)[]): Promise<unknown>
  /** As `run`, with bulks as Buffers. */
  runBytes(...words: (string | Buffer)[]): Promise<unknown>
  /** Sends the commands in one packet. @returns each reply, errors as their texts */
  pipeline(commands: readonly (readonly string[])[]): Promise<unknown[]>
  /** Closes at once, whatever is under way. */
  abandon(): void
  close(): Promise<void>
}

export type Connect = (port: number) => Promise<Driver>

export const DRIVERS: readonly Connect[] = [
  port => connectIoredis(port, 2),
  port => connectIoredis(port, 3),
  port => connectNodeRedis(port, 2),
  port => connectNodeRedis(port, 3),
]

async function connectIoredis(port: number, protocol: 2 | 3): Promise<Driver> {
  const client = new Redis({
    port,
    protocol,
    lazyConnect: true,
    ...(protocol === 3 && { replyMapping: 'resp3' as const }),
  })
  await client.connect()
  return {
    name: `ioredis RESP${protocol}`,
    run: (name, ...args) => client.call(String(name), args),
    runBytes: (name, ...args) => client.callBuffer(String(name), args),
    pipeline: async commands => {
      const pipeline = client.pipeline()
      for (const [name, ...args] of commands) pipeline.call(String(name), ...args)
      const replies = (await pipeline.exec()) ?? []
      return replies.map(([error, reply]) => error?.message ?? reply)
    },
    abandon: () => client.disconnect(),
    close: async () => {
      await client.quit()
    },
  }
}

async function connectNodeRedis(port: number, protocol: 2 | 3): Promise<Driver> {
  const client = createClient({ RESP: protocol, socket: { host: '127.0.0.1', port } })
  client.on('error', () => {
    // Commands in flight fail with the same error; nobody else is to be told.
  })
  await client.connect()
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  return {
    name: `redis RESP${protocol}`,
    run: (...words) => client.sendCommand(words),
    runBytes: (...words) => binary.sendCommand(words),
    pipeline: commands =>
      Promise.all(
        commands.map(words => client.sendCommand(words).catch((error: Error) => error.message)),
      ),
    abandon: () => client.destroy(),
    close: async () => {
      await client.close()
    },
  }
}

/** Fields of a reply that is a map in RESP3 and an array of its values in RESP2, in order. */
export function valuesOf(reply: unknown): unknown[] {
  if (Array.isArray(reply)) return reply
  return reply instanceof Map ? [...reply.values()] : Object.values(reply as object)
}
