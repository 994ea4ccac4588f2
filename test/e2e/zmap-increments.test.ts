/** Increments under contention and over a store in trouble: none is lost, none is made twice. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { embeddedOnly } from '../support/cluster.js'
import { troubled } from '../support/faults.js'
import type { RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const tests = suite('zmap increments')
const onEmbedded = embeddedOnly(tests, 'a cluster has no fault mode')

const CONNECTIONS = 8
const TYPES = ['I64', 'F64', 'D128'] as const

/** What may come instead of OK, when nothing was changed. */
const NOT_MADE = /^(NOT_COMMITTED|TRANSACTIONOLD) /
const UNKNOWN = /^COMMIT_UNKNOWN_RESULT /

async function countIn(client: RespClient, type: string): Promise<number> {
  for (;;) {
    const { type: kind, value } = await client.frame(`ZGET.${type}`, type)
    if (kind !== '-') return Number(value)
    assert.match(String(value), NOT_MADE)
  }
}

/** Increments one by one, again where nothing was changed. @returns how often that was */
async function increment(client: RespClient, type: string, count: number): Promise<number> {
  let repeated = 0
  for (let made = 0; made < count; ) {
    const { type: kind, value } = await client.frame(`ZINC.${type}`, type, '1')
    if (kind === '+') {
      made += 1
    } else {
      assert.match(String(value), NOT_MADE)
      repeated += 1
    }
  }
  return repeated
}

async function addsUp(server: TestServer, count: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => server.connect()))
  for (const type of TYPES) {
    const repeated = await Promise.all(clients.map(client => increment(client, type, count)))
    assert.is(await countIn(clients[0]!, type), CONNECTIONS * count, type)
    // Those of one member never conflict with each other.
    if (server.faults === undefined) {
      assert.equal(
        repeated,
        clients.map(() => 0),
      )
    }
  }
}

tests('add up when many connections make them', () =>
  withTestServer([], server => addsUp(server, rounds('increments'))),
)

tests('add up when they are pipelined', () =>
  withTestServer([], async server => {
    const count = rounds('increments')
    const clients = await Promise.all([server.connect(), server.connect()])
    for (const type of TYPES) {
      const made = await Promise.all(
        clients.map(async client => {
          for (let i = 0; i < count; i++) client.send(`ZINC.${type}`, type, '1')
          let accepted = 0
          for (let i = 0; i < count; i++) {
            const { type: kind, value } = await client.read()
            if (kind === '+') accepted += 1
            else assert.match(String(value), NOT_MADE)
          }
          return accepted
        }),
      )
      assert.is(await countIn(clients[0]!, type), made[0]! + made[1]!, type)
    }
  }),
)

onEmbedded('add up over a store in trouble', () =>
  withTestServer([], server => addsUp(server, rounds('increments in trouble')), troubled(seed())),
)

onEmbedded('are made once at most when their result is unknown', () => {
  const faults = { seed: seed(), unknownResult: 0.5 }
  const body = async (server: TestServer): Promise<void> => {
    const client = await server.connect()
    for (const type of TYPES) {
      let count = 0
      let unknown = 0
      for (let i = 0; i < rounds('increments in trouble'); i++) {
        const { type: kind, value } = await client.frame(`ZINC.${type}`, type, '1')
        const now = await countIn(client, type)
        if (kind === '+') {
          assert.is(now, count + 1)
        } else {
          assert.match(String(value), UNKNOWN)
          assert.ok(now === count || now === count + 1, `${count}, then ${now}`)
          unknown += 1
        }
        count = now
      }
      // One half has an unknown result, unless they were repeated.
      assert.ok(unknown > 0, `no unknown result, SEED=${faults.seed}`)
    }
  }
  return withTestServer([], body, faults)
})

tests.run()
