/** The reference of BQL: its examples are run, and the answers compared with those shown. */
import * as assert from 'uvu/assert'
import { consoleSteps } from '../support/console-blocks.js'
import { Ids } from '../support/console-ids.js'
import { untilStatus } from '../support/indexes.js'
import { showReply, wordsOf } from '../support/redis-cli.js'
import { repositoryText } from '../support/repository.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('reference of BQL')

const MICROSECONDS = /("\w+_us" => \(integer\)) \d+/g

/** Until the indexes of a bucket are built: a reader takes longer than that to type. */
async function untilBuilt(session: RespClient, bucket: string): Promise<void> {
  const names = (await session.call('BUCKET.INDEX', 'LIST', bucket)) as unknown[]
  for (const name of names) await untilStatus(session, 'READY', { bucket, name: String(name) })
}

test('answers as docs/bql.md shows', async () => {
  const [start, ...steps] = consoleSteps(repositoryText('docs/bql.md'))
  assert.is(start?.command, 'redis-cli -3 -p 5484')
  assert.ok(steps.length > 25, `the page has ${steps.length} examples only`)
  const session = await server.connect(3)
  const shown = new Ids()
  const answered = new Ids()
  for (const { port, command, answer } of steps) {
    assert.is(port, 5484, command)
    const words = wordsOf(command)
    const reply = showReply(await session.frame(...words))
    const masked = (text: string, ids: Ids) => ids.mask(text).replace(MICROSECONDS, '$1 <time>')
    assert.is(masked(reply, answered), masked(answer, shown), `answer of: ${command}`)
    if (command.startsWith('BUCKET.INDEX CREATE ')) await untilBuilt(session, words[2]!)
  }
})

test.run()
