/**
 * How much work randomised tests do: the one table of their rounds, for `npm test` and for
 * `npm run test:long`. Numbers are chosen so that an area stays under a minute in the former.
 */

interface Rounds {
  readonly short: number
  readonly long: number
}

const ROUNDS = {
  plans: { short: 150, long: 5_000 },
  'plans over entries': { short: 10_000, long: 300_000 },
  'odd filters': { short: 2_000, long: 200_000 },
  'builds beside writers': { short: 8, long: 500 },
  'rivals for documents': { short: 3, long: 300 },
  'kill beside rivals': { short: 5, long: 200 },
  'kill during builds': { short: 5, long: 200 },
  histograms: { short: 500, long: 50_000 },
  'cursor batches': { short: 100, long: 3_000 },
  'volume steps': { short: 25, long: 1_000 },
  'redis shard': { short: 1_000, long: 20_000 },
  'walks over names': { short: 300, long: 20_000 },
  'blocks of an arena': { short: 60_000, long: 5_000_000 },
  ropes: { short: 600, long: 30_000 },
  'items of a shard': { short: 30_000, long: 2_000_000 },
  'names in a table': { short: 100_000, long: 5_000_000 },
  'expiries of keys': { short: 50_000, long: 3_000_000 },
  'maps of items': { short: 100_000, long: 5_000_000 },
  'dirty items': { short: 100_000, long: 5_000_000 },
  'requests beside redis-server': { short: 15_000, long: 1_000_000 },
  'transactions beside redis-server': { short: 60, long: 5_000 },
  'slots of shards': { short: 300, long: 20_000 },
  'process ids': { short: 300, long: 20_000 },
  'key order': { short: 500, long: 50_000 },
  decimals: { short: 2_000, long: 200_000 },
  'zmap commands': { short: 6_000, long: 600_000 },
  'zmap commands in trouble': { short: 3_000, long: 200_000 },
  increments: { short: 150, long: 5_000 },
  'increments in trouble': { short: 60, long: 2_000 },
  'watches and disconnects': { short: 1_000, long: 20_000 },
  'lines of a load': { short: 50, long: 2_000 },
  'split pipelines': { short: 200, long: 20_000 },
  'mutated pipelines': { short: 1_000, long: 100_000 },
  'garbage on a socket': { short: 60, long: 3_000 },
  pipelines: { short: 40, long: 3_000 },
  'filters on random documents': { short: 10_000, long: 200_000 },
  'cursors beside writers': { short: 50, long: 1_000 },
  'sizes of documents': { short: 20, long: 500 },
  'transactions on documents': { short: 60, long: 1_000 },
  'filters on many documents': { short: 2, long: 100 },
  'unique values': { short: 100, long: 5_000 },
  'filters beside mingo': { short: 100_000, long: 5_000_000 },
  'damaged documents': { short: 20_000, long: 1_000_000 },
  'frames on a socket': { short: 500_000, long: 3_000_000 },
  'frames to the parser': { short: 1_000_000, long: 10_000_000 },
  'requests with large words': { short: 150, long: 10_000 },
  'commands on large values': { short: 150, long: 10_000 },
  'random requests': { short: 20_000, long: 1_000_000 },
  'namespace commands': { short: 5, long: 1_000 },
  'races of namespaces': { short: 6, long: 500 },
  'purges beside writers': { short: 15, long: 1_000 },
  'kill during namespace commands': { short: 5, long: 200 },
  'kill during inserts': { short: 6, long: 300 },
  'kill during purges': { short: 5, long: 200 },
  'kill during a load': { short: 4, long: 100 },
  'small histories': { short: 5_000, long: 300_000 },
  'recorded histories': { short: 200, long: 10_000 },
  'clients that leave': { short: 160, long: 20_000 },
  'histories over kills': { short: 3, long: 60 },
  'kill during transactions': { short: 6, long: 300 },
  'kill during Redis writes': { short: 5, long: 200 },
  'kill during writes of large values': { short: 8, long: 300 },
  'kill during flushes': { short: 8, long: 300 },
  'kill during work on large hashes': { short: 12, long: 300 },
  'kill during the start': { short: 5, long: 100 },
  'kill the owner of a store': { short: 8, long: 200 },
} as const satisfies Record<string, Rounds>

/** A row of the table. */
export type BudgetName = keyof typeof ROUNDS

/** Whether this is the long run. */
export function isLong(): boolean {
  return process.env.KRONOTOP_TEST_LONG === '1'
}

/** Rounds of one randomised test. */
export function rounds(name: BudgetName): number {
  return isLong() ? ROUNDS[name].long : ROUNDS[name].short
}

/** The seed of this run: `SEED=<n>` replays one, else it is new. A test prints it when it fails. */
export function seed(): number {
  const given = process.env.SEED
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
}

/** Parameters for `fast-check`, which prints the seed of a failure by itself. */
export function property(name: BudgetName): { numRuns: number; seed: number } {
  return { numRuns: rounds(name), seed: seed() }
}
