/**
 * Definitions of indexes. They are part of their bucket's record, which every transaction on the
 * bucket reads: as soon as a changed definition is committed, whatever commits later knows it.
 */

import { COLLATOR_VERSION, type Collation } from '../language/collation.js'

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
  /** What made the keys of its strings; null without a collation. */
  readonly collatorVersion: string | null
  readonly status: IndexStatus
  /** Some document has several entries: bounds can't be intersected, one document may come
   *  twice. */
  readonly hasArrays: boolean
  /** Not strict: some document has a value without entry: not used for reads. */
  readonly hasSkipped: boolean
  /** It was READY, and is built again: filters still compare strings as it says. */
  readonly isRebuilt: boolean
}

/** Every bucket has it. Its entries are the primary entries; only its counter has its id. */
export const PRIMARY_INDEX: IndexDefinition = {
  id: 0n,
  name: 'primary-index',
  kind: 'single',
  fields: [{ selector: '_id', type: 'OBJECT_ID', multiKey: false }],
  unique: true,
  collation: null,
  collatorVersion: null,
  status: 'READY',
  hasArrays: false,
  hasSkipped: false,
  isRebuilt: false,
}

/** Indexes in these states are written, and their uniqueness is kept. */
export const MAINTAINED: ReadonlySet<IndexStatus> = new Set(['WAITING', 'BUILDING', 'READY'])

/** The version of the collator that an index of this member has. */
export function collatorVersionFor(collation: Collation | null): string | null {
  return collation === null ? null : COLLATOR_VERSION
}

/** Whether another version of the collator made the keys of an index that is in use: they are
 *  neither read nor written, and it has to be built again. */
export function isStale({ status, collation, collatorVersion }: IndexDefinition): boolean {
  return MAINTAINED.has(status) && collatorVersion !== collatorVersionFor(collation)
}

/** A definition as JSON has it. */
export type StoredIndex = Omit<IndexDefinition, 'id'> & { readonly id: string }

export function encodeIndex(index: IndexDefinition): StoredIndex {
  return { ...index, id: String(index.id) }
}

export function decodeIndex(stored: StoredIndex): IndexDefinition {
  return { ...stored, id: BigInt(stored.id) }
}

/** The name of an index that is given none. */
export function defaultName(
  kind: IndexDefinition['kind'],
  fields: readonly Pick<IndexField, 'selector' | 'type'>[],
): string {
  if (kind === 'single') {
    return fields.map(({ selector, type }) => `selector:${selector}.bsonType:${type}`).join()
  }
  return `compound:${fields.map(({ selector, type }) => `${selector}.${type}`).join('_')}`
}

/** Are these the same fields, in the same order? */
export function sameFields(a: readonly IndexField[], b: readonly IndexField[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ selector, type, multiKey }, i) => {
      const other = b[i]!
      return selector === other.selector && type === other.type && multiKey === other.multiKey
    })
  )
}

/** The collation that an index has which names none: the bucket's, where a field is a string. */
export function inheritedCollation(
  fields: readonly IndexField[],
  collation: Collation | null,
): Collation | null {
  return fields.some(({ type }) => type === 'STRING') ? collation : null
}
