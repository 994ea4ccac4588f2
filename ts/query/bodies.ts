/** Documents of a batch, back to back: what a client gets of them, and what an update makes. */

import { err } from '../error.js'
import {
  addon,
  nativeReason,
  type PackedDocuments,
  type ProjectionHandle,
  type UpdateHandle,
} from '../native.js'
import { yieldTurn } from '../store/turn.js'
import type { Bucket } from './buckets.js'
import type { Cursor } from './cursors.js'
import { collatorOf } from './language/collation.js'
import type { Sort } from './query-plans.js'
import { collationOf } from './query-runs.js'
import type { ScanBatch } from './scan.js'

/** Documents back to back. */
export type Bodies = Pick<PackedDocuments, 'payload' | 'ends'>

/** Documents that are updated in one turn of the event loop, and of how many bytes. */
const PIECE_DOCUMENTS = 256
const PIECE_BYTES = 256 * 1024

/** Refusals that concern an update of the user's. */
const UPDATE_CODES: ReadonlySet<string> = new Set(['UPDATE', 'TOO_LARGE', 'TOO_DEEP'])

/** Ends of bodies of the given lengths. */
export function endsOf(lengths: Uint32Array): Uint32Array {
  let end = 0
  return lengths.map(length => {
    end += length
    return end
  })
}

/** The bodies of some places, which ascend. */
export function bodiesAt(bodies: Bodies, places: Uint32Array): Bodies {
  if (places.length === bodies.ends.length) return bodies
  const parts = Array.from(places, place => bodyAt(bodies, place))
  return {
    payload: Buffer.concat(parts),
    ends: endsOf(Uint32Array.from(parts, ({ length }) => length)),
  }
}

export function bodyAt({ payload, ends }: Bodies, i: number): Buffer {
  return payload.subarray(i === 0 ? 0 : ends[i - 1], ends[i])
}

/** The bodies from `from` on, up to `to`. */
export function sliceOf({ payload, ends }: Bodies, from: number, to: number): Bodies {
  const start = from === 0 ? 0 : ends[from - 1]!
  return {
    payload: payload.subarray(start, to === 0 ? 0 : ends[to - 1]),
    ends: ends.subarray(from, to).map(end => end - start),
  }
}

/** What a batch becomes for its client: in order, projected, encoded.
 *  @param isById  the order of the ids comes first: they did not come in it */
export async function finishBatch(
  batch: ScanBatch,
  options: FinishOptions & { isById: boolean },
): Promise<ScanBatch> {
  const { isById, sort, projection, isJson } = options
  let bodies: Bodies = batch
  if (isById && sort !== null) {
    bodies = await finish(bodies, { sort: BY_ID, projection: null, isJson: false })
  }
  const order = sort ?? (isById ? BY_ID : null)
  const finished = await finish(bodies, { sort: order, projection, isJson })
  return { ...batch, payload: finished.payload, ends: finished.ends }
}

/** The order of RESULTSORT, with the collation of its field. */
export function resultSortOf(sort: Sort, bucket: Bucket, { collation }: Cursor): ResultSort {
  const applying = collationOf(sort.field, bucket, collation)
  return {
    path: sort.field,
    descending: sort.isDescending,
    ...(applying === null ? {} : { collator: collatorOf(applying) }),
  }
}

type ResultSort = NonNullable<Parameters<typeof addon.finishDocuments>[2]>

const BY_ID: ResultSort = { path: '_id', descending: false }

type FinishOptions = {
  sort: ResultSort | null
  projection: ProjectionHandle | null
  isJson: boolean
}

/** Large batches off the event loop. */
function finish(
  { payload, ends }: Bodies,
  { sort, projection, isJson }: FinishOptions,
): Bodies | Promise<Bodies> {
  if (payload.length <= PIECE_BYTES) {
    return addon.finishDocuments(payload, ends, sort, projection, isJson)
  }
  return addon.finishDocumentsAsync(payload, ends, sort, projection, isJson)
}

/** The documents that an update changes, as they become.
 *  @throws RespError ERR, the text of the update's refusal */
export async function applyUpdate(update: UpdateHandle, bodies: Bodies): Promise<PackedDocuments> {
  const count = bodies.ends.length
  const pieces: { from: number; changed: PackedDocuments }[] = []
  for (let from = 0; from < count; ) {
    let to = from + 1
    const start = from === 0 ? 0 : bodies.ends[from - 1]!
    while (to < count && to - from < PIECE_DOCUMENTS && bodies.ends[to]! - start <= PIECE_BYTES)
      to++
    pieces.push({ from, changed: await applyTo(update, sliceOf(bodies, from, to)) })
    from = to
    if (from < count) await yieldTurn()
  }
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return only.changed
  const lengths = pieces.flatMap(({ changed: { ends } }) => {
    return Array.from(ends, (end, i) => end - (i === 0 ? 0 : ends[i - 1]!))
  })
  return {
    payload: Buffer.concat(pieces.map(({ changed }) => changed.payload)),
    ends: endsOf(Uint32Array.from(lengths)),
    places: Uint32Array.from(
      pieces.flatMap(({ from, changed }) => Array.from(changed.places, place => from + place)),
    ),
  }
}

/** A large document off the event loop. */
async function applyTo(update: UpdateHandle, { payload, ends }: Bodies): Promise<PackedDocuments> {
  try {
    if (payload.length > PIECE_BYTES) return await update.applyAsync(payload, ends)
    return update.apply(payload, ends)
  } catch (cause) {
    throw updateError(cause)
  }
}

/** What is inserted if nothing matches. @throws RespError ERR, the text of the refusal */
export function upsertDocument(update: UpdateHandle): Buffer {
  try {
    return update.upsertDocument()
  } catch (cause) {
    throw updateError(cause)
  }
}

/** A refusal that is the user's to know, or the cause itself. */
function updateError(cause: unknown): unknown {
  const reason = nativeReason(cause)
  if (reason === undefined || !UPDATE_CODES.has(reason.code)) return cause
  return err(reason.message, { cause })
}
