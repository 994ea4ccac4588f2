/**
 * Statistics of indexes as this member has them: read in the background, every 15 s at most while a
 * bucket is queried, so that no query waits for them. They decide which index is read, and never
 * what is found.
 */

import type { Logger } from 'pino'
import { indexPrefix, type KeyRange, primaryPrefix, statisticsRange } from '../../store/keyspace.js'
import { unpack } from '../../store/packed-range.js'
import type { Store } from '../../store/store.js'
import type { Bucket } from '../buckets.js'
import { type IndexDefinition, PRIMARY_INDEX } from '../indexes/indexes.js'
import { decodeHistogram, estimate, type Histogram } from './histogram.js'

const REFRESH_MS = 15_000
/** Buckets whose statistics are kept, at most. */
const BUCKETS = 1_000

export interface IndexStatisticsParts {
  readonly store: Store
  readonly log: Logger
  /** Milliseconds that only grow. */
  readonly now: () => number
}

interface Loaded {
  /** By the ids of the indexes. */
  histograms: ReadonlyMap<bigint, Histogram>
  /** As they are stored. */
  bytes: Buffer
  /** Counts what was found to be new. */
  generation: number
  /** When they were asked for last. */
  askedAtMs: number
}

export class IndexStatistics {
  readonly #parts: IndexStatisticsParts
  /** By the uuid of the bucket; the one made last is at the end. */
  readonly #buckets = new Map<string, Loaded>()

  constructor(parts: IndexStatisticsParts) {
    this.#parts = parts
  }

  /** Rises when the statistics of a bucket have changed. */
  generation(bucket: Bucket): number {
    return this.#of(bucket).generation
  }

  /** Are there statistics of any index? */
  knows(bucket: Bucket): boolean {
    return this.#of(bucket).histograms.size > 0
  }

  /** Entries in a range of keys, about; undefined without statistics of the index. */
  estimate(bucket: Bucket, index: IndexDefinition, range: KeyRange): number | undefined {
    const histogram = this.#of(bucket).histograms.get(index.id)
    if (histogram === undefined) return undefined
    return estimate(histogram, prefixOf(bucket, index), range)
  }

  /** Reads the statistics of a bucket now. */
  async refresh(bucket: Bucket): Promise<void> {
    const { begin, end } = statisticsRange(bucket.data)
    const { store, now } = this.#parts
    const loaded = this.#of(bucket)
    loaded.askedAtMs = now()
    const options = { snapshot: true }
    const { data } = await store.transact(tx => tx.getRangeAll(begin, end, options))
    if (data.equals(loaded.bytes)) return
    const histograms = new Map<bigint, Histogram>()
    for (const { key, value } of unpack({ data, count: 0, more: false })) {
      histograms.set(key.readBigInt64BE(key.length - 8), decodeHistogram(value))
    }
    loaded.histograms = histograms
    loaded.bytes = Buffer.from(data)
    loaded.generation++
  }

  #of(bucket: Bucket): Loaded {
    const nowMs = this.#parts.now()
    let loaded = this.#buckets.get(bucket.uuid)
    if (loaded === undefined) {
      loaded = { ...NOTHING, askedAtMs: Number.NEGATIVE_INFINITY }
      this.#buckets.set(bucket.uuid, loaded)
      const [oldest] = this.#buckets.keys()
      if (this.#buckets.size > BUCKETS) this.#buckets.delete(oldest!)
    }
    if (nowMs - loaded.askedAtMs >= REFRESH_MS && bucket.indexes.length > 0) {
      loaded.askedAtMs = nowMs
      this.refresh(bucket).catch(cause => {
        // Queries do with what there is; the next attempt is 15 s away.
        this.#parts.log.warn({ err: cause, bucket: bucket.name }, 'reading statistics failed')
      })
    }
    return loaded
  }
}

const NOTHING = { histograms: new Map<bigint, Histogram>(), bytes: Buffer.alloc(0), generation: 0 }

/** What the keys of an index begin with. */
export function prefixOf(bucket: Bucket, index: IndexDefinition): Buffer {
  if (index.id === PRIMARY_INDEX.id) return primaryPrefix(bucket.data)
  return indexPrefix(bucket.data, index.id)
}
