/**
 * How long a PING takes while another connection pipelines ZGETs: 1,000,000 of them, written as
 * fast as the server reads. Server, pipeline and PINGs are a process each; the PINGs follow each
 * other without a pause. Goal: none takes 10 ms. On a machine that is busy otherwise, the longest
 * time without waits for a core tells what the server itself adds.
 * Run: node dist/bench/load/fairness.js [--smoke]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { encodeRequest, RespClient } from '../../test/support/resp-client.js'
import { TestServer } from '../../test/support/server.js'

const KEY = 'fairness'
const VALUE = 'v'.repeat(100)
/** Requests of one write. */
const PACKET = 1_000
const PING = encodeRequest(['PING'])

const isSmoke = process.argv.includes('--smoke')
const requests = isSmoke ? 20_000 : 1_000_000
const pipelinePort = process.env.KRONOTOP_BENCH_PORT

/** Sends the pipeline, reads all replies. @returns requests a second */
async function pipeline(port: number): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const packet = Buffer.concat(Array.from({ length: PACKET }, () => encodeRequest(['ZGET', KEY])))
  const replyBytes = `$${VALUE.length}\r\n${VALUE}\r\n`.length
  let missing = requests * replyBytes
  const received = new Promise<void>((resolve, reject) => {
    socket.on('data', chunk => {
      missing -= chunk.length
      if (missing === 0) resolve()
    })
    socket.on('close', () => reject(new Error(`${missing} bytes of replies are missing`)))
  })
  process.send?.('begins')
  const startedAt = performance.now()
  for (let sent = 0; sent < requests; sent += PACKET) {
    if (!socket.write(packet)) await once(socket, 'drain')
  }
  await received
  socket.destroy()
  return (requests / (performance.now() - startedAt)) * 1000
}

/** Time for which a process was ready and had no core, ms; 0 where the system does not tell. */
function coreWaitMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Runs the pipeline in a process of its own, and PINGs beside it. */
async function measure({ clientPort: port, pid }: TestServer): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, KRONOTOP_BENCH_PORT: String(port) },
  })
  let rate: number | undefined
  child.on('message', message => {
    rate = Number(message)
  })
  child.once('exit', () => {
    rate ??= 0
  })
  // The first message says that the pipeline begins.
  await once(child, 'message')
  rate = undefined
  const times: number[] = []
  let longestOwn = 0
  const waits = (): number => coreWaitMs(pid) + coreWaitMs(process.pid)
  while (rate === undefined) {
    const waitedBefore = waits()
    const sentAt = performance.now()
    socket.write(PING)
    await once(socket, 'data')
    const tookMs = performance.now() - sentAt
    times.push(tookMs)
    longestOwn = Math.max(longestOwn, tookMs - (waits() - waitedBefore))
  }
  socket.destroy()
  if (rate === 0) throw new Error('the pipeline did not come to its end')
  times.sort((a, b) => a - b)
  const at = (share: number): string =>
    (times[Math.floor((times.length - 1) * share)] ?? Number.NaN).toFixed(2)
  console.log(`pipeline: ${requests} ZGETs, ${(rate as number).toFixed(0)} per s`)
  console.log(
    `PING beside it: median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms of ` +
      `${times.length} (goal: under 10), ${longestOwn.toFixed(2)} ms without waits for a core`,
  )
}

if (pipelinePort !== undefined) {
  process.send?.(await pipeline(Number(pipelinePort)))
  process.disconnect()
} else {
  const server = await TestServer.start()
  try {
    const client = await RespClient.connect(server.clientPort)
    await client.call('ZSET', KEY, VALUE)
    client.close()
    await measure(server)
  } finally {
    await server.dispose()
  }
}
