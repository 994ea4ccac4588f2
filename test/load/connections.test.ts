/**
 * 10,000 connections at once, again and again: each is served, and what they took is given back, to
 * the last descriptor. Only sockets are counted: the store's files come and go by themselves.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openFileLimit } from '../../ts/server/transport/open-files.js'
import { Crowd } from '../support/crowd.js'
import { reportSkip } from '../support/outcome.js'
import { memoryOf, socketCountOf } from '../support/process.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const CONNECTIONS = 10_000
/** Processes that the clients are spread over. */
const CROWDS = 2
/** Limit of open files that the server needs for them: as many again for the other port's share,
 *  and those for the store. */
const FILES_NEEDED = 12_000
const MIB = 1024 * 1024
/** The first rounds find out how much memory is needed, the others must do with that. */
const FIRST_ROUNDS = 2
const ROUNDS = 4
/** How much more may be in use after the last round: what each connection of two rounds leaves
 *  behind counts 20,000 times. Resident memory also has the gaps that V8 and malloc keep. */
const HEAP_GROWTH = 8 * MIB
const MEMORY_GROWTH = 64 * MIB

const test = suite('many connections')

interface Usage {
  /** What V8 holds, on its heap and off it. */
  readonly heapBytes: number
  readonly memoryBytes: number
}

/** What is in use while nobody is connected. */
async function usageOf(server: TestServer, sockets: number): Promise<Usage> {
  const { pid } = server
  await until('sockets are back to where they were', () => socketCountOf(pid) === sockets)
  // The second time finalizers of the first have run.
  await server.order('collect', undefined)
  const { heapBytes, externalBytes } = await server.order('collect', undefined)
  return { heapBytes: heapBytes + externalBytes, memoryBytes: memoryOf(pid, 'VmRSS') }
}

/** Lets everyone come, ask, ask again and go. */
async function round({ clientPort, pid }: TestServer, before: number): Promise<void> {
  const size = CONNECTIONS / CROWDS
  const crowds = Array.from({ length: CROWDS }, () => new Crowd(clientPort, size))
  try {
    await Promise.all(crowds.map(crowd => crowd.served()))
    await until('as many are open', () => socketCountOf(pid) === before + CONNECTIONS)
    await Promise.all(crowds.map(crowd => crowd.leave()))
  } finally {
    for (const crowd of crowds) crowd.kill()
  }
}

/** Of a number by round. */
function growth(byRound: readonly number[]): number {
  return byRound.at(-1)! - Math.max(...byRound.slice(0, FIRST_ROUNDS))
}

function inMib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}

async function givesBack(server: TestServer): Promise<void> {
  const sockets = socketCountOf(server.pid)
  const usages: Usage[] = []
  for (let i = 0; i < ROUNDS; i++) {
    await round(server, sockets)
    usages.push(await usageOf(server, sockets))
  }
  const heaps = usages.map(usage => usage.heapBytes)
  const memories = usages.map(usage => usage.memoryBytes)
  console.log(`heap ${heaps.map(inMib).join(', ')}; resident ${memories.map(inMib).join(', ')}`)
  assert.ok(growth(heaps) < HEAP_GROWTH, `the heap grew by ${inMib(growth(heaps))}`)
  assert.ok(growth(memories) < MEMORY_GROWTH, `memory grew by ${inMib(growth(memories))}`)
}

for (const transport of ['native', 'node']) {
  test(`${transport}: serves 10,000 at once and gives everything back`, async () => {
    const limit = openFileLimit()
    if (limit === undefined || limit < FILES_NEEDED) {
      const text = `the limit of open files is ${limit}, raise it to ${FILES_NEEDED} (ulimit -Hn)`
      reportSkip(`10,000 connections over the ${transport} transport`, text)
      return
    }
    await withTestServer([`network.external.transport=${transport}`], givesBack)
  })
}

test.run()
