/** SIGKILL while connections write the same documents: what was acknowledged is there, of the rest
 *  all or nothing, and every index is right. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import { rounds, seed } from '../support/budget.js'
import { checkRivals, compete } from '../support/competition.js'
import { Random } from '../support/random.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('rivals for documents over a kill')
const LONGEST_MS = 1_500

test('every document is as its writers were told', async () => {
  const first = seed()
  const random = new Random(first)
  await withTestServer([], async server => {
    for (let round = 0; round < rounds('kill beside rivals'); round++) {
      const [bucket, title] = [`b${round}`, `round ${round}, SEED=${first}`]
      const steps = Number.POSITIVE_INFINITY
      const competing = compete(server, { bucket, random, title, steps })
      await Promise.race([sleep(random.between(100, LONGEST_MS)), competing])
      await server.kill()
      const ledger = await competing
      await server.start()
      await checkRivals(server, { bucket, ledger, title })
    }
  })
})

test.run()
