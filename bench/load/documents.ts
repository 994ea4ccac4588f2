/**
 * Documents under redis-benchmark: 50,000 of {category, age, score, active}, 50 connections, RESP3,
 * JSON, one request at a time a connection, client and server on the same cores. Indexes: category,
 * age, score, category and age; and category and score, without which that order is refused. Goals:
 * in SCENARIOS. Also: what one fdatasync costs, and the longest PING beside each scenario (goal:
 * no query stalls the event loop for more than 20 ms).
 * Run: node dist/bench/load/documents.js [--smoke] [scenario …]
 */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { TestServer } from '../../test/support/server.js'
import { flushMs, median } from './figures.js'

const argv = process.argv.slice(2)
const isSmoke = argv.includes('--smoke')
const wanted = argv.filter(word => word !== '--smoke')
const DOCUMENTS = isSmoke ? 1_000 : 50_000
const ROUNDS = isSmoke ? 1 : 3
const CONNECTIONS = 50
const LOAD_BATCH = 500
const CATEGORIES = 50
const AGES = 100
const PING_PAUSE_MS = 5

interface Scenario {
  /** Requests per s. */
  readonly goal: number
  /** Of one round. */
  readonly requests: number
  /** Random numbers are below it. */
  readonly random: number
  readonly command: readonly string[]
}

/** `__rand_int__` becomes twelve digits. */
const CATEGORY = '"category": "c__rand_int__"'
const AGE = '"age": {"$gt": {"$numberInt": "__rand_int__"}}'
const query = (filter: string, ...options: string[]) => ['BUCKET.QUERY', 'docs', filter, ...options]
const document = (i: string) =>
  `{"category": "c${i}", "age": 30, "score": {"$numberInt": "${i}"}, "active": true}`

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  category: {
    goal: 8_000,
    requests: 40_000,
    random: CATEGORIES,
    command: query(`{${CATEGORY}}`, 'LIMIT', '100'),
  },
  age: {
    goal: 8_000,
    requests: 40_000,
    random: AGES,
    command: query(`{${AGE}}`, 'LIMIT', '100'),
  },
  compound: {
    goal: 8_000,
    requests: 40_000,
    random: CATEGORIES,
    command: query(`{${CATEGORY}, ${AGE}}`, 'LIMIT', '100'),
  },
  sorted: {
    goal: 20_000,
    requests: 80_000,
    random: CATEGORIES,
    command: query(`{${CATEGORY}}`, 'SORTBY', 'score', 'ASC', 'LIMIT', '10'),
  },
  scan: {
    goal: 6_000,
    requests: 30_000,
    random: 1,
    command: query('{"active": true}', 'LIMIT', '100'),
  },
  'scan without result': {
    goal: 60,
    requests: 300,
    random: 1_000_000,
    command: query('{"missing": "c__rand_int__"}', 'LIMIT', '100'),
  },
  insert: {
    goal: 6_000,
    requests: 30_000,
    random: CATEGORIES,
    command: ['BUCKET.INSERT', 'more', 'DOCS', document('__rand_int__')],
  },
  'insert of 100': {
    goal: 400,
    requests: 1_000,
    random: CATEGORIES,
    command: [
      'BUCKET.INSERT',
      'more',
      'DOCS',
      ...Array.from({ length: 100 }, () => document('__rand_int__')),
    ],
  },
}

/** Queries by category, inserts, updates and deletes of a document by its score. */
const MIXED = {
  goal: 3_000,
  requests: 30_000,
  shares: { query: 0.7, insert: 0.15, update: 0.1, delete: 0.05 },
}

const padded = (i: number) => String(i).padStart(12, '0')
const rounded = (value: number) => Math.round(value).toLocaleString('en')

const INDEXES = JSON.stringify({
  category: { bson_type: 'string' },
  age: { bson_type: 'int32' },
  score: { bson_type: 'double' },
  $compound: [
    {
      name: 'category-age',
      fields: [
        { selector: 'category', bson_type: 'string' },
        { selector: 'age', bson_type: 'int32' },
      ],
    },
    {
      name: 'category-score',
      fields: [
        { selector: 'category', bson_type: 'string' },
        { selector: 'score', bson_type: 'double' },
      ],
    },
  ],
})

async function load(server: TestServer): Promise<void> {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'docs', 'INDEXES', INDEXES)
  await client.call('BUCKET.CREATE', 'more', 'INDEXES', INDEXES)
  for (let from = 0; from < DOCUMENTS; from += LOAD_BATCH) {
    const documents = Array.from({ length: LOAD_BATCH }, (_, nth) => {
      const i = from + nth
      return JSON.stringify({
        category: `c${padded(i % CATEGORIES)}`,
        age: (i * 7) % AGES,
        score: ((i * 7_919) % DOCUMENTS) + 0.5,
        active: i % 2 === 0,
      })
    })
    await client.call('BUCKET.INSERT', 'docs', 'DOCS', ...documents)
  }
}

/** @returns requests per s */
async function benchmark(port: number, { requests, random, command }: Scenario): Promise<number> {
  const count = isSmoke ? Math.ceil(requests / 100) : requests
  const options = ['-3', '-p', port, '-c', CONNECTIONS, '-n', count, '-r', random, '--csv']
  const { stdout } = await promisify(execFile)('redis-benchmark', [
    ...options.map(String),
    ...command,
  ])
  const rate = /"([\d.]+)"/.exec(stdout.slice(stdout.lastIndexOf('\n"')))
  if (rate === null) throw new Error(`redis-benchmark answered: ${stdout}`)
  return Number(rate[1])
}

/** Sends PINGs one by one until it is told to end. @returns the longest in ms */
async function longestPing(server: TestServer, end: AbortSignal): Promise<number> {
  const client = await server.connect()
  let longest = 0
  while (!end.aborted) {
    const startedAt = performance.now()
    await client.call('PING')
    longest = Math.max(longest, performance.now() - startedAt)
    await sleep(PING_PAUSE_MS)
  }
  return longest
}

function mixedCommand(): string[] {
  const { shares } = MIXED
  const drawn = Math.random()
  const category = padded(Math.floor(Math.random() * CATEGORIES))
  const byScore = JSON.stringify({ score: Math.floor(Math.random() * DOCUMENTS) + 0.5 })
  if (drawn < shares.query) return query(`{"category": "c${category}"}`, 'LIMIT', '100')
  if (drawn < shares.query + shares.insert) {
    return ['BUCKET.INSERT', 'docs', 'DOCS', document(category)]
  }
  if (drawn < 1 - shares.delete) {
    return ['BUCKET.UPDATE', 'docs', byScore, '{"$set": {"active": false}}']
  }
  return ['BUCKET.DELETE', 'docs', byScore]
}

/** @returns requests per s, and the share of them that a conflict refused */
async function mixed(server: TestServer): Promise<{ rate: number; conflicts: number }> {
  let left = isSmoke ? 300 : MIXED.requests
  const count = left
  let conflicts = 0
  const startedAt = performance.now()
  const work = async (): Promise<void> => {
    const client = await server.connect()
    while (left-- > 0) {
      const reply = await client.frame(...mixedCommand())
      if (reply.type !== '-') continue
      if (!String(reply.value).startsWith('TRANSACTION')) throw new Error(String(reply.value))
      conflicts++
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, work))
  return { rate: (count / (performance.now() - startedAt)) * 1_000, conflicts: conflicts / count }
}

const server = await TestServer.start([
  'session_attributes.input_type=json',
  'session_attributes.reply_type=json',
])
try {
  await load(server)
  console.log(`one fdatasync: ${flushMs(server.directory).toFixed(3)} ms`)
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const rates: number[] = []
    const end = new AbortController()
    const pings = longestPing(server, end.signal)
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await benchmark(server.clientPort, scenario))
    }
    end.abort()
    console.log(
      `${name}: ${rounded(median(rates))} requests/s (goal ${rounded(scenario.goal)}), ` +
        `longest PING ${(await pings).toFixed(1)} ms`,
    )
  }
  if (wanted.length === 0 || wanted.includes('mixed')) {
    const { rate, conflicts } = await mixed(server)
    const share = (conflicts * 100).toFixed(2)
    console.log(
      `mixed: ${rounded(rate)} requests/s (goal ${rounded(MIXED.goal)}), conflicts ${share} %`,
    )
  }
} finally {
  await server.dispose()
}
