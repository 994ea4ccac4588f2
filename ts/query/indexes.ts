/**
 * Definitions of indexes. They are part of their bucket's record, which every transaction on the
 * bucket reads: as soon as a changed definition is committed, whatever commits later knows it.
 */

import type { Collation } from './collation.js'

export type IndexedType =
  | 'STRING'
  | 'INT32'
  | 'INT64'
  | 'DOUBLE'
  | 'BOOLEAN'
  | 'DATE_TIME'
  | 'TIMESTAMP'
  | 'BINARY'
  | 'OBJECT_ID'

/** WAITING and BUILDING: maintained by writers, not read. READY: both. DROPPED, FAILED: neither. */
export type IndexStatus = 'WAITING' | 'BUILDING' | 'READY' | 'DROPPED' | 'FAILED'

export interface IndexField {
  readonly selector: string
  readonly type: IndexedType
  readonly multiKey: boolean
}

export interface IndexDefinition {
  /** Random i64; 8 bytes big-endian in keys. */
  readonly id: bigint
  readonly name: string
  readonly kind: 'single' | 'compound'
  /** One, or 2 to 32. */
  readonly fields: readonly IndexField[]
  readonly unique: boolean
  /** Of its string fields; null = bytes. */
  readonly collation: Collation | null
  readonly status: IndexStatus
  /** Some document has several entries: bounds can't be intersected, one document may come
   *  twice. */
  readonly hasArrays: boolean
  /** Not strict: some document has a value without entry: not used for reads. */
  readonly hasSkipped: boolean
}

/** Every bucket has it. Its entries are the primary entries; only its counter has its id. */
export const PRIMARY_INDEX: IndexDefinition = {
  id: 0n,
  name: 'primary-index',
  kind: 'single',
  fields: [{ selector: '_id', type: 'OBJECT_ID', multiKey: false }],
  unique: true,
  collation: null,
  status: 'READY',
  hasArrays: false,
  hasSkipped: false,
}
