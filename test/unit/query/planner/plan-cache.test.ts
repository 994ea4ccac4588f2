import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { QueryPlan } from '../../../../ts/query/planner/physical.js'
import {
  KEY_LENGTH,
  PLANS_PER_BUCKET,
  PlanCache,
  type PlanCacheSettings,
} from '../../../../ts/query/planner/plan-cache.js'

const plan: QueryPlan = { root: { kind: 'nothing' }, sortField: null }
const other: QueryPlan = { root: { kind: 'nothing' }, sortField: 'x' }
const bucket = { bucketUuid: 'u', namespace: 'a.b', edition: 'first', statisticsGeneration: 0 }

function makeCache(settings: Partial<PlanCacheSettings> = {}): PlanCache {
  return new PlanCache({ enabled: true, maxTtlMs: 1_000, now: () => 0, ...settings })
}

test('gives the plan of a shape', () => {
  const cache = makeCache()
  assert.is(cache.get(bucket, 'k'), undefined)
  cache.set(bucket, 'k', plan)
  assert.is(cache.get(bucket, 'k'), plan)
  assert.is(cache.get({ ...bucket }, 'k'), plan)
  assert.is(cache.get(bucket, 'other'), undefined)
  cache.set(bucket, 'k', other)
  assert.is(cache.get(bucket, 'k'), other)
})

test('gives no plan of another bucket, record, set of statistics or namespace', () => {
  for (const change of [
    { bucketUuid: 'v' },
    { edition: 'second' },
    { statisticsGeneration: 1 },
    { namespace: 'a.c' },
  ]) {
    const cache = makeCache()
    cache.set(bucket, 'k', plan)
    assert.is(cache.get({ ...bucket, ...change }, 'k'), undefined)
  }
})

test('gives no plan that is too old', () => {
  let now = 0
  const cache = makeCache({ now: () => now })
  cache.set(bucket, 'k', plan)
  now = 999
  assert.is(cache.get(bucket, 'k'), plan)
  now = 1_000
  assert.is(cache.get(bucket, 'k'), undefined)
  cache.set(bucket, 'k', other)
  now = 1_999
  assert.is(cache.get(bucket, 'k'), other)
})

test('keeps a number of plans of a bucket, those that were made last', () => {
  const cache = makeCache()
  for (let i = 0; i < PLANS_PER_BUCKET; i++) cache.set(bucket, `k${i}`, plan)
  cache.set(bucket, 'k0', plan)
  // Use does not count, making does.
  assert.is(cache.get(bucket, 'k1'), plan)
  cache.set(bucket, 'more', plan)
  assert.is(cache.get(bucket, 'k1'), undefined)
  for (const key of ['k0', 'k2', 'more']) assert.is(cache.get(bucket, key), plan)
  const elsewhere = { ...bucket, bucketUuid: 'v' }
  cache.set(elsewhere, 'k', plan)
  assert.is(cache.get(bucket, 'k0'), plan)
})

test('keeps a number of buckets, those that were used last', () => {
  const cache = makeCache()
  const numbered = (i: number) => ({ ...bucket, bucketUuid: `u${i}` })
  for (let i = 0; i < 1_000; i++) cache.set(numbered(i), 'k', plan)
  assert.is(cache.get(numbered(0), 'k'), plan)
  cache.set(numbered(1_000), 'k', plan)
  assert.is(cache.get(numbered(0), 'k'), plan)
  assert.is(cache.get(numbered(1), 'k'), undefined)
})

test('keeps no plan of a huge shape', () => {
  const cache = makeCache()
  for (const length of [KEY_LENGTH, KEY_LENGTH + 1]) {
    cache.set(bucket, 'k'.repeat(length), plan)
    const expected = length === KEY_LENGTH ? plan : undefined
    assert.is(cache.get(bucket, 'k'.repeat(length)), expected)
  }
})

test('forgets a bucket', () => {
  const cache = makeCache()
  cache.set(bucket, 'k', plan)
  cache.drop('u')
  assert.is(cache.get(bucket, 'k'), undefined)
})

test('keeps nothing when it is switched off', () => {
  const cache = makeCache({ enabled: false })
  cache.set(bucket, 'k', plan)
  assert.is(cache.get(bucket, 'k'), undefined)
})

test.run()
