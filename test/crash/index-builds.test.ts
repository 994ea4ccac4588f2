/** SIGKILL while indexes are built and dropped beside writers: the work goes on where it was. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { useJson } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { IndexWriter, LATER_INDEXES, WRITERS_SCHEMA } from '../support/index-writers.js'
import { createIndexes, entryCount, tasksOf, untilStatus, verify } from '../support/indexes.js'
import { Random } from '../support/random.js'
import { type RespClient, untilGone } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('builds of indexes over a kill')
const NAMES = ['n', 'tags', 'text', 'both']
/** About as long as the builds take. */
const LONGEST_MS = 250

/** Where the build of an index is; undefined when none is under way. */
async function cursorOf(client: RespClient, bucket: string): Promise<string | undefined> {
  const build = (await tasksOf(client, bucket, 'n')).find(({ kind }) => kind === 'BUILD')
  return build === undefined ? undefined : String(build.cursor)
}

/** Follows the build until the server is gone. @returns the last cursor that was seen */
async function followed(client: RespClient, bucket: string): Promise<string> {
  let last = ''
  await untilGone(async () => {
    for (;;) last = (await cursorOf(client, bucket)) ?? last
  })
  return last
}

async function killedBuild(
  server: TestServer,
  { bucket, random, title }: { bucket: string; random: Random; title: string },
): Promise<void> {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', WRITERS_SCHEMA)
  const options = { bucket, random: new Random(random.between(0, 2 ** 31 - 1)), owner: 'w' }
  const writer = await IndexWriter.of(await server.connect(3), options)
  for (let i = 0; i < 4; i++) await writer.insert(1_000)
  const writing = untilGone(() => writer.run())
  await createIndexes(client, bucket, LATER_INDEXES)
  const following = followed(client, bucket)
  await sleep(random.between(0, LONGEST_MS))
  await server.kill()
  await writing
  const before = await following
  await server.start()
  const again = await useJson(await server.connect(3))
  const after = await cursorOf(again, bucket)
  assert.ok(after === undefined || after >= before, `${after} is behind ${before}: ${title}`)
  for (const name of NAMES) await untilStatus(again, 'READY', { bucket, name })
  const { documents, errors } = await verify(again, bucket)
  assert.equal(errors, [], title)
  assert.is(await entryCount(again, bucket, 'key'), documents, title)
}

test('a build that was killed goes on from its cursor, and is right in the end', async () => {
  const first = seed()
  const random = new Random(first)
  await withTestServer([], async server => {
    for (let round = 0; round < rounds('kill during builds'); round++) {
      const title = `round ${round}, SEED=${first}`
      await killedBuild(server, { bucket: `b${round}`, random, title })
    }
  })
})

test('an index that was being dropped is gone after a kill', async () => {
  const first = seed()
  const random = new Random(first)
  const documents = Array.from({ length: 5_000 }, (_, n) => `{"n": ${n}}`)
  const schema = '{"n": {"bson_type": "int32", "name": "n"}}'
  await withTestServer([], async server => {
    for (let round = 0; round < rounds('kill during builds'); round++) {
      const [bucket, title] = [`b${round}`, `round ${round}, SEED=${first}`]
      const client = await useJson(await server.connect(3))
      await client.call('BUCKET.CREATE', bucket, 'INDEXES', schema)
      await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
      await client.call('BUCKET.INDEX', 'DROP', bucket, 'n')
      await sleep(random.between(0, 20))
      await server.kill()
      await server.start()
      const again = await useJson(await server.connect(3))
      await untilStatus(again, 'gone', { bucket, name: 'n' })
      assert.equal(await verify(again, bucket), { documents: 5_000, entries: 0, errors: [] }, title)
      await createIndexes(again, bucket, JSON.parse(schema))
      await untilStatus(again, 'READY', { bucket, name: 'n' })
      const report = await verify(again, bucket)
      assert.equal(report, { documents: 5_000, entries: 5_000, errors: [] }, title)
    }
  })
})

test.run()
