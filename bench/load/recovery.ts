/**
 * How long a server takes to serve 1,000,000 strings of 100 bytes again after a restart (goal:
 * 4 s), and the longest that a PING waits meanwhile.
 * Run: node dist/bench/load/recovery.js [--smoke]
 */
import { TestServer } from '../../test/support/server.js'
import { fill, keyOf } from './fill.js'

const KEYS = process.argv.includes('--smoke') ? 10_000 : 1_000_000
const VALUE_BYTES = 100
const SETTINGS = ['redis.volume.segment_size=1073741824']

const server = await TestServer.start(SETTINGS)
try {
  await fill(server.clientPort, KEYS, VALUE_BYTES)
  await server.stop()
  const startedAt = performance.now()
  await server.start()
  const readyMs = performance.now() - startedAt
  const [asking, pinging] = [await server.connect(), await server.connect()]
  let longestMs = 0
  // A shard that is still being loaded answers with an error.
  for (let isServed = false; !isServed; ) {
    const before = performance.now()
    await pinging.call('PING')
    longestMs = Math.max(longestMs, performance.now() - before)
    isServed = (await asking.frame('GET', keyOf(KEYS - 1))).type === '$'
  }
  const servedMs = performance.now() - startedAt
  console.log(
    `${KEYS.toLocaleString('en')} strings: ready after ${(readyMs / 1000).toFixed(2)} s, ` +
      `all served after ${(servedMs / 1000).toFixed(2)} s, ` +
      `longest PING until then ${longestMs.toFixed(1)} ms`,
  )
} finally {
  await server.dispose()
}
