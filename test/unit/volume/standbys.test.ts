/** Whom a synchronous write waits for, as the routes say. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ShardRoute, ShardRoutes } from '../../../ts/volume/shard-routes.js'
import { RoutedStandbys } from '../../../ts/volume/standbys.js'
import { errorOf } from '../../support/data-member.js'

/** What a write of a shard with so many standbys meets. */
function met(standbyCount: number, wanted: number): Promise<string> {
  const standbys = Array.from({ length: standbyCount }, (_, i) => String(i).repeat(40))
  const shard = (kind: string, id: number) =>
    kind === 'REDIS' && id === 3 ? ({ standbys } as unknown as ShardRoute) : undefined
  const routed = new RoutedStandbys({ shard } as unknown as ShardRoutes, wanted)
  return errorOf(() => assert.is(routed.choose('REDIS', 3), undefined))
}

const refusal = (wanted: number) =>
  `ERR shard id: 3 has 0 standbys that store its data instead of ${wanted}`

test('a write of a shard without standbys waits for nobody', async () => {
  assert.is(await met(0, 0), 'no error')
  assert.is(await met(0, 2), 'no error')
})

test('a write waits for all standbys, or for as many as are wanted', async () => {
  assert.is(await met(1, 0), refusal(1))
  assert.is(await met(3, 0), refusal(3))
  assert.is(await met(3, 1), refusal(1))
  assert.is(await met(3, 2), refusal(2))
  assert.is(await met(2, 5), refusal(2))
})

test('a shard that has no route waits for nobody', () => {
  const routed = new RoutedStandbys({ shard: () => undefined } as unknown as ShardRoutes, 1)
  assert.is(routed.choose('REDIS', 3), undefined)
})

test.run()
