import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Liveness } from '../../../ts/cluster/liveness.js'

/** Looks at members, given as `name` and heartbeat. */
function look(liveness: Liveness, ...beats: [memberId: string, beat: bigint][]): void {
  liveness.look(new Map(beats))
}

test('a member falls silent when its heartbeat stands still for too long, and comes back', () => {
  const liveness = new Liveness(4)
  for (let beat = 1n; beat <= 10n; beat++) look(liveness, ['a', beat])
  for (let looks = 1; looks <= 3; looks++) {
    look(liveness, ['a', 10n])
    assert.ok(liveness.isAlive('a'), `${looks} looks`)
  }
  look(liveness, ['a', 10n])
  assert.not(liveness.isAlive('a'))
  look(liveness, ['a', 11n])
  assert.ok(liveness.isAlive('a'))
})

test('a member that one look is allowed can come back as well', () => {
  const liveness = new Liveness(1)
  look(liveness, ['a', 1n])
  assert.ok(liveness.isAlive('a'))
  look(liveness, ['a', 1n])
  assert.not(liveness.isAlive('a'))
  look(liveness, ['a', 2n])
  assert.ok(liveness.isAlive('a'))
})

test('a member without a heartbeat is alive at first, and silent in the end', () => {
  const liveness = new Liveness(2)
  assert.ok(liveness.isAlive('unknown'))
  for (let looks = 1; looks <= 2; looks++) {
    look(liveness, ['other', BigInt(looks)])
    assert.ok(liveness.isAlive('unknown'))
  }
  look(liveness, ['other', 3n])
  assert.not(liveness.isAlive('unknown'))
  assert.ok(liveness.isAlive('other'))
})

test.run()
