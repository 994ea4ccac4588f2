/**
 * ANALYZE: goes over the keys of an index, draws a sample of them, and stores what it says. The
 * sample is kept in memory: after a restart the task begins again.
 */

import { keyAfter, prefixRange, statisticsKey } from '../../store/keyspace.js'
import { lastKey, unpack } from '../../store/packed-range.js'
import { PRIMARY_INDEX } from '../indexes/indexes.js'
import { encodeHistogram, histogramOf } from './histogram.js'
import type { StepOutcome, TaskStep } from './index-build.js'
import { prefixOf } from './index-statistics.js'

/** Keys that one transaction reads. */
const STEP_ENTRIES = 2_000
const SAMPLE_ENTRIES = 1_000
const ID_BYTES = 12

/** How far the sampling of an index is. */
export interface Sampling {
  readonly sample: readonly Buffer[]
  readonly seen: number
  /** The last key that was read. */
  readonly cursor: Buffer | undefined
}

const START: Sampling = { sample: [], seen: 0, cursor: undefined }

/** Reads on, and stores the statistics at the end.
 *  @param sampling  what the step before gave
 *  @returns what the next step needs */
export async function analyzeBatch(
  step: TaskStep,
  sampling: Sampling = START,
): Promise<{ outcome: StepOutcome; sampling: Sampling }> {
  const { tx, bucket, index, task, tasks } = step
  if (index.status !== 'READY') {
    tasks.delete(tx, bucket, task)
    return { outcome: 'over', sampling }
  }
  const prefix = prefixOf(bucket, index)
  const { begin, end } = prefixRange(prefix)
  const from = sampling.cursor === undefined ? begin : keyAfter(sampling.cursor)
  const range = await tx.getRangeAll(from, end, { limit: STEP_ENTRIES, snapshot: true })
  const idBytes = index.id === PRIMARY_INDEX.id ? 0 : ID_BYTES
  const sample = [...sampling.sample]
  let { seen } = sampling
  for (const { key } of unpack(range)) {
    // Each key is in the sample with the same probability, however many there are.
    const place = seen < SAMPLE_ENTRIES ? seen : Math.floor(Math.random() * (seen + 1))
    seen++
    if (place >= SAMPLE_ENTRIES) continue
    sample[place] = Buffer.from(key.subarray(prefix.length, key.length - idBytes))
  }
  if (range.more) {
    if (task.status === 'WAITING') tasks.update(tx, bucket, { ...task, status: 'RUNNING' })
    return { outcome: 'more', sampling: { sample, seen, cursor: Buffer.from(lastKey(range)) } }
  }
  sample.sort(Buffer.compare)
  tx.set(statisticsKey(bucket.data, index.id), encodeHistogram(histogramOf(sample, seen)))
  tasks.delete(tx, bucket, task)
  return { outcome: 'over', sampling }
}
