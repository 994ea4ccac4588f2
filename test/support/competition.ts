/** A bucket, rivals for its documents, and indexes that come and go meanwhile. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from './bucket.js'
import { createIndexes, describeIndex, untilStatus, verify } from './indexes.js'
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
  bucket: string,
  isOver: () => boolean,
): Promise<void> {
  const names = Object.keys(CHANGING_INDEXES) as (keyof typeof CHANGING_INDEXES)[]
  for (let i = 0; !isOver(); i++) {
    const name = names[i % names.length]!
    const isThere = (await describeIndex(client, bucket, name)) !== 'gone'
    if (!isThere) await tried(() => createIndexes(client, bucket, CHANGING_INDEXES[name]))
    else if (await tried(() => client.call('BUCKET.INDEX', 'DROP', bucket, name))) {
      await untilStatus(client, 'gone', { bucket, name })
      continue
    }
    if ((await describeIndex(client, bucket, name)) === 'gone') continue
    await untilStatus(client, 'READY', { bucket, name })
    await tried(() => client.call('BUCKET.INDEX', 'ANALYZE', bucket, name))
  }
}

/** Makes a request that may fail.
 *  @returns false when the store refused, or an analysis is in the way */
export async function tried(request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request()
    return true
  } catch (thrown) {
    const refusals =
      /^(NOT_COMMITTED|TRANSACTIONOLD|COMMIT_UNKNOWN_RESULT) |has active tasks|exist$/
    if (refusals.test((thrown as Error).message)) return false
    throw thrown
  }
}

/** Lets rivals compete until they have done their steps, or the server is gone.
 *  @returns what they were told */
export async function compete(
  server: TestServer,
  { bucket, random, title, steps }: Competition,
): Promise<Ledger> {
  const client = await useJson(await server.connect(3))
  const schema = JSON.stringify(RIVALS_SCHEMA)
  const creation = ['BUCKET.CREATE', bucket, 'INDEXES', schema, 'IF-NOT-EXISTS']
  while (!(await tried(() => client.call(...creation))));
  const ledger = new Ledger()
  let isOver = false
  const changing = untilGone(() => changeIndexes(client, bucket, () => isOver))
  const running = Array.from({ length: RIVALS }, () => {
    const own = new Random(random.between(0, 2 ** 31 - 1))
    return untilGone(async () => {
      const options = { bucket, random: own, ledger, title }
      await (await Rival.of(await server.connect(3), options)).run(steps)
    })
  })
  try {
    await Promise.all(running)
  } finally {
    isOver = true
    await changing
  }
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
  const { documents, errors } = await verify(client, bucket)
  assert.equal([documents, errors], [found.length, []], title)
}
