/**
 * Random Redis commands, the same ones to this server and to Debian's redis-server, whose replies
 * must be the same bytes in RESP2 and in RESP3. Differences are allowed only where a row names
 * what `spec/redis.md` lists. `SEED=` replays a run.
 */
import { rounds, seed } from '../support/budget.js'
import { HASH_ROWS } from '../support/differential/hashes.js'
import { KEY_ROWS } from '../support/differential/keys.js'
import { play } from '../support/differential/play.js'
import { STRING_ROWS } from '../support/differential/strings.js'
import { RedisServer } from '../support/redis-server.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('Redis commands beside redis-server')

const ROWS = [...KEY_ROWS, ...STRING_ROWS, ...HASH_ROWS]

test('answers as redis-server does, byte for byte', async () => {
  const peer = await RedisServer.startOrSkip('the same replies as redis-server')
  if (peer === undefined) return
  const used = seed()
  console.log(`SEED=${used}`)
  try {
    const requests = rounds('requests beside redis-server')
    await play({ ours: server, theirs: peer, rows: ROWS, requests, seed: used })
  } finally {
    await peer.dispose()
  }
})

test.run()
