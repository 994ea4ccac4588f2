/** A bucket, rivals for its documents, and indexes that come and go meanwhile. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from './bucket.js'
import { assertVerified, createIndexes, describeIndex, untilStatus } from './indexes.js'
import { Random } from './random.js'
import { type RespClient, untilGone } from './resp-client.js'
import { CHANGING_INDEXES, Ledger, RIVALS_SCHEMA, Rival, type RivalDocument } from './rivals.js'
import type { TestServer } from './server.js'

const RIVALS = 5

export interface Competition {
  readonly bucket: string
  readonly random: Random
  /** Tells what failed. */
  readonly title: string
  /** Of each rival. */
  readonly steps: number
}

/** Makes and drops indexes until it is told to end. A request may fail: then it is made again. */
async function changeIndexes(
  client: RespClient,
  { bucket, title }: Competition,
  { isOver, isTroubled }: { isOver: () => boolean; isTroubled: boolean },
): Promise<void> {
  const names = Object.keys(CHANGING_INDEXES) as (keyof typeof CHANGING_INDEXES)[]
  for (let i = 0; !isOver(); i++) {
    const name = names[i % names.length]!
    if ((await describeIndex(client, bucket, name)) !== 'gone') {
      const isDropped = await tried(() => client.call('BUCKET.INDEX', 'DROP', bucket, name))
      if (isDropped) await untilStatus(client, 'gone', { bucket, name })
      continue
    }
    if (!(await tried(() => createIndexes(client, bucket, CHANGING_INDEXES[name])))) continue
    await untilStatus(client, 'READY', { bucket, name })
    await tried(() => client.call('BUCKET.INDEX', 'ANALYZE', bucket, name))
    // Also beside writers. Over a troubled store so many reads come to no end.
    if (!isTroubled) await assertVerified(client, bucket, `beside writers: ${title}`)
  }
}

/** Makes a request that may fail.
 *  @returns false when the store refused, or an earlier request is in the way */
export async function tried(request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request()
    return true
  } catch (thrown) {
    const refusals =
      /^(NOT_COMMITTED|TRANSACTIONOLD|COMMIT_UNKNOWN_RESULT) |has active tasks|already/
    if (refusals.test((thrown as Error).message)) return false
    throw thrown
  }
}

/** Lets rivals compete until they have done their steps, or the server is gone.
 *  @returns what they were told */
export async function compete(server: TestServer, competition: Competition): Promise<Ledger> {
  const { bucket, random, title, steps } = competition
  const client = await useJson(await server.connect(3))
  const schema = JSON.stringify(RIVALS_SCHEMA)
  const creation = ['BUCKET.CREATE', bucket, 'INDEXES', schema, 'IF-NOT-EXISTS']
  while (!(await tried(() => client.call(...creation))));
  const ledger = new Ledger()
  let isOver = false
  const options = { isOver: () => isOver, isTroubled: server.faults !== undefined }
  const changing = untilGone(() => changeIndexes(client, competition, options))
  const running = Array.from({ length: RIVALS }, () => {
    const own = new Random(random.between(0, 2 ** 31 - 1))
    return untilGone(async () => {
      const parts = { bucket, random: own, ledger, title }
      await (await Rival.of(await server.connect(3), parts)).run(steps)
    })
  })
  const competing = Promise.all(running).finally(() => {
    isOver = true
  })
  await Promise.all([competing, changing])
  return ledger
}

/** Everything is as the rivals were told, and every index is right. */
export async function checkRivals(
  server: TestServer,
  { bucket, ledger, title }: { bucket: string; ledger: Ledger; title: string },
): Promise<void> {
  const client = await useJson(await server.connect(3))
  const found = await queryAll(client, bucket, '{}')
  ledger.check(found as unknown as RivalDocument[], title)
  assert.is(await assertVerified(client, bucket, title), found.length, title)
}
