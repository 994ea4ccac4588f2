/**
 * Index schemas: the JSON of BUCKET.CREATE … INDEXES and BUCKET.INDEX CREATE, to definitions.
 *
 *     { path: {bson_type, multi_key, unique, name, collation} …,
 *       "$compound": [{name, unique, collation, fields: [{selector, bson_type, multi_key} …]} …] }
 *
 * Singles come first, in the order given, then compounds.
 */

import { randomBytes } from 'node:crypto'
import type { Document } from 'bson'
import { err, type RespError } from '../../error.js'
import { type Collation, readCollation } from '../language/collation.js'
import { decodeJson, isObject } from '../language/json-argument.js'
import {
  collatorVersionFor,
  defaultName,
  type IndexDefinition,
  type IndexedType,
  type IndexField,
  type IndexStatus,
  inheritedCollation,
  PRIMARY_INDEX,
  sameFields,
} from './indexes.js'

const FIELDS_MIN = 2
const FIELDS_MAX = 32

const TYPES: ReadonlyMap<string, IndexedType> = new Map([
  ['string', 'STRING'],
  ['int32', 'INT32'],
  ['int64', 'INT64'],
  ['double', 'DOUBLE'],
  ['boolean', 'BOOLEAN'],
  ['datetime', 'DATE_TIME'],
  ['timestamp', 'TIMESTAMP'],
  ['binary', 'BINARY'],
  ['objectid', 'OBJECT_ID'],
])

/** Random ids of indexes, the same ones however often a transaction asks for them. */
export class IndexIds {
  readonly #ids: bigint[] = []

  /** The id of the index that a command makes as its n-th, from 0 up. */
  at(n: number): bigint {
    while (this.#ids.length <= n) this.#ids.push(randomBytes(8).readBigInt64BE())
    return this.#ids[n]!
  }
}

export interface SchemaTarget {
  /** What the bucket has already, in whatever status; without the primary index. */
  readonly existing: readonly IndexDefinition[]
  /** The bucket's own. */
  readonly collation: Collation | null
  /** What the new ones begin with. */
  readonly status: IndexStatus
  readonly ids: IndexIds
}

/** An index as its schema says. */
type Draft = Pick<IndexDefinition, 'kind' | 'name' | 'fields' | 'unique'> & {
  /** Undefined where the schema has none. */
  readonly collation: Collation | undefined
}

/** @returns the new indexes, one at least
 *  @throws RespError ERR for whatever a schema must not say, or what the bucket has already */
export function parseIndexSchema(text: Buffer, target: SchemaTarget): IndexDefinition[] {
  const drafts = readSchema(text)
  const known = [PRIMARY_INDEX, ...target.existing]
  const made: IndexDefinition[] = []
  for (const draft of drafts) {
    refuseKnown(draft, known)
    const collation = draft.collation ?? inheritedCollation(draft.fields, target.collation)
    const index: IndexDefinition = {
      ...draft,
      id: target.ids.at(made.length),
      collation,
      collatorVersion: collatorVersionFor(collation),
      status: target.status,
      hasArrays: false,
      hasSkipped: false,
      isRebuilt: false,
    }
    known.push(index)
    made.push(index)
  }
  return made
}

function refuseKnown(draft: Draft, known: readonly IndexDefinition[]): void {
  const twin = known.find(({ kind, fields }) => {
    if (kind !== draft.kind) return false
    if (kind === 'single') return fields[0]!.selector === draft.fields[0]!.selector
    return sameFields(fields, draft.fields)
  })
  if (twin !== undefined && draft.kind === 'single') {
    throw err(`An index on field '${draft.fields[0]!.selector}' already exists`)
  }
  if (twin !== undefined) {
    throw err(`A compound index on the same fields already exists: '${twin.name}'`)
  }
  if (known.some(({ name }) => name === draft.name)) {
    throw err(`'${draft.name}' has already exist`)
  }
}

function readSchema(text: Buffer): Draft[] {
  if (!/^\s*\{/.test(text.toString('latin1', 0, 64))) throw invalid()
  const members = Object.entries(decodeJson(text))
  if (members.length === 0) throw err('Index schemas cannot be empty')
  const unknown = members.find(([name]) => name.startsWith('$') && name !== '$compound')
  if (unknown !== undefined) throw err(`Unknown directive: ${unknown[0]}`)
  const drafts: Draft[] = []
  for (const [name, value] of members) {
    if (name === '$compound') continue
    if (!isObject(value)) throw invalid()
    drafts.push(readSingle(name, value))
  }
  const compound = members.find(([name]) => name === '$compound')
  if (compound !== undefined) drafts.push(...readCompounds(compound[1]))
  return drafts
}

function readSingle(selector: string, schema: Document): Draft {
  if (selector === '') throw invalid()
  if (isAbsent(schema.bson_type)) throw err("'bson_type' cannot be null")
  const field = {
    selector,
    type: readType(schema.bson_type),
    multiKey: readFlag(schema.multi_key),
  }
  const unique = readFlag(schema.unique)
  if (unique && field.multiKey) throw uniqueMultiKey()
  const collation = readOwnCollation(schema)
  if (collation !== undefined && field.type !== 'STRING') {
    throw err('Collation is only supported for STRING indexes')
  }
  const name = readName(schema) ?? defaultName('single', [field])
  return { kind: 'single', name, fields: [field], unique, collation }
}

function readCompounds(value: unknown): Draft[] {
  if (!Array.isArray(value)) throw err('$compound value must be an array')
  if (value.length === 0) throw err('$compound array must not be empty')
  return value.map(readCompound)
}

function readCompound(schema: unknown): Draft {
  if (!isObject(schema)) throw invalid()
  const fields = readFields(schema.fields)
  const unique = readFlag(schema.unique)
  if (unique && fields.some(({ multiKey }) => multiKey)) throw uniqueMultiKey()
  const collation = readOwnCollation(schema)
  if (collation !== undefined && !fields.some(({ type }) => type === 'STRING')) {
    throw err('Collation requires at least one STRING field in compound index')
  }
  const name = readName(schema) ?? defaultName('compound', fields)
  return { kind: 'compound', name, fields, unique, collation }
}

function readFields(value: unknown): IndexField[] {
  const given = isAbsent(value) ? [] : value
  if (!Array.isArray(given)) throw invalid()
  if (given.length < FIELDS_MIN) {
    throw err(`Compound index requires at least ${FIELDS_MIN} fields`)
  }
  if (given.length > FIELDS_MAX) throw err(`Compound index supports at most ${FIELDS_MAX} fields`)
  const fields = given.map(readField)
  const selectors = new Set<string>()
  for (const { selector } of fields) {
    if (selectors.has(selector)) {
      throw err(`Duplicate selector in compound index: '${selector}'`)
    }
    selectors.add(selector)
  }
  if (fields.filter(({ multiKey }) => multiKey).length > 1) {
    throw err('Compound index allows at most one multi-key field')
  }
  return fields
}

function readField(schema: unknown): IndexField {
  if (!isObject(schema)) throw invalid()
  const selector = schema.selector
  if (isAbsent(selector) || selector === '') throw missing('selector')
  if (typeof selector !== 'string') throw invalid()
  if (isAbsent(schema.bson_type)) throw missing('bson_type')
  return {
    selector,
    type: readType(schema.bson_type),
    multiKey: readFlag(schema.multi_key),
  }
}

function readType(value: unknown): IndexedType {
  if (typeof value !== 'string') throw invalid()
  const name = value.toLowerCase()
  if (name === 'decimal128') {
    throw err('Creating indexes on DECIMAL128 fields not implemented yet')
  }
  const type = TYPES.get(name)
  if (type === undefined) throw err(`Unknown BSON type: ${name}`)
  return type
}

function readFlag(value: unknown): boolean {
  if (isAbsent(value)) return false
  if (typeof value !== 'boolean') throw invalid()
  return value
}

/** @returns undefined where the schema has none */
function readName(schema: Document): string | undefined {
  const name = schema.name
  if (isAbsent(name)) return undefined
  if (typeof name !== 'string' || name === '') throw invalid()
  return name
}

function readOwnCollation(schema: Document): Collation | undefined {
  const specification = schema.collation
  return isAbsent(specification) ? undefined : readCollation(specification)
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

function invalid(): RespError {
  return err('Invalid index schema')
}

function uniqueMultiKey(): RespError {
  return err('A unique index cannot be multi-key')
}

function missing(member: string): RespError {
  return err(`Each compound index field must have a '${member}'`)
}
