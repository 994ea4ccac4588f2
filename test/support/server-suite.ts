/** Suites whose tests share one server, started before the first and stopped after the last. */
import { suite } from 'uvu'
import { isLong } from './budget.js'
import { type Faults, suiteFaults } from './faults.js'
import { TestServer } from './server.js'

const TEST_LIMIT_MS = isLong() ? 3_000_000 : 150_000
/** What is shown of the server's output below a failed test. */
const SHOWN_BYTES = 8_000

export interface ServerSuite {
  readonly server: TestServer
  readonly test: ServerTest
}

export interface ServerTest {
  /** Registers a test. Its connections are closed when it ends; one that hangs fails. */
  (name: string, body: () => Promise<void>): void
  run(): void
}

/** @param sets `key=value` settings of the server */
export function serverSuite(name: string, sets: readonly string[] = []): ServerSuite {
  const server = new TestServer(sets)
  server.faults = suiteFaults()
  const tests = suite(name)
  let failedStart: unknown
  tests.before(async () => {
    // uvu drops what a `before` throws, so each test throws it.
    await server.start().catch(cause => {
      failedStart = cause
    })
  })
  tests.after(() => server.dispose())
  const register = (title: string, body: () => Promise<void>): void => {
    tests(title, async () => {
      if (failedStart !== undefined) throw failedStart
      await reporting(server, () => limited(title, body))
      server.closeClients()
    })
  }
  // The last test: what came before must not have left anything that hinders a clean end.
  const run = (): void => {
    register('stops cleanly', () => server.stop())
    tests.run()
  }
  return { server, test: Object.assign(register, { run }) }
}

/** Runs `body`; on failure shows what the server wrote. */
export async function reporting<T>(server: TestServer, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (cause) {
    console.error(`\nend of the server's output:\n${server.output.slice(-SHOWN_BYTES)}`)
    throw cause
  }
}

/** Runs `body` with a server of its own. @param faults what its store does wrong */
export async function withTestServer(
  sets: readonly string[],
  body: (server: TestServer) => Promise<void>,
  faults?: Faults,
): Promise<void> {
  const server = new TestServer(sets)
  server.faults = faults
  try {
    await server.start()
    await reporting(server, () => limited('the test', () => body(server)))
  } finally {
    await server.dispose()
  }
}

async function limited(what: string, body: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what}: still running after ${TEST_LIMIT_MS / 1000} s`))
    }, TEST_LIMIT_MS)
  })
  try {
    await Promise.race([body(), late])
  } finally {
    clearTimeout(timer)
  }
}
