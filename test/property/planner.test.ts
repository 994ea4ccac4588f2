/** What a plan reads holds every document that matches: for any filter, any indexes, any literals
 *  of the plan's shape; with SORTBY in the right order. */
import { Double, Int32, Long, ObjectId } from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../ts/error.js'
import {
  type IndexDefinition,
  type IndexedType,
  PRIMARY_INDEX,
} from '../../ts/query/indexes/indexes.js'
import type { CompareOperator, Filter, Literal } from '../../ts/query/language/filter.js'
import { type BoundPlan, bindPlan } from '../../ts/query/planner/bind.js'
import { explainQuery } from '../../ts/query/planner/explain.js'
import { planQuery } from '../../ts/query/planner/plan-query.js'
import { shapeOf } from '../../ts/query/planner/shape.js'
import { effectiveCollation, type PlanInput } from '../../ts/query/planner/usable-indexes.js'
import { rounds, seed } from '../support/budget.js'
import {
  type CollationOf,
  collation,
  encodeRange,
  encodeValue,
  entriesOf,
  fieldValues,
  index,
  type ModelDocument,
  matches,
} from '../support/plan-model.js'
import { Random } from '../support/random.js'

const COLLATIONS = [null, null, collation(1), collation(2)]
const OPERATORS: readonly CompareOperator[] = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte']

/** Fields with the type that most of their values have. */
const FIELDS: Readonly<Record<string, IndexedType>> = {
  n: 'INT32',
  d: 'DOUBLE',
  l: 'INT64',
  s: 'STRING',
  'o.n': 'INT32',
  'list.n': 'INT32',
  'list.s': 'STRING',
  'list.0': 'INT32',
  'list.in.n': 'INT32',
}
const PATHS = Object.keys(FIELDS)

const idOf = (i: number) => new ObjectId(i.toString(16).padStart(24, '0'))

function scalar(random: Random, type: IndexedType | undefined): unknown {
  const number = random.between(0, 4)
  if (random.next() < 0.002) return random.pick([true, new Date(number), new Long(number)])
  if (type === 'STRING') return random.pick(['a', 'A', 'ab', 'aB', 'b', 'B'])
  if (type === 'DOUBLE' && random.next() < 0.7) return new Double(number / 2)
  if (type === 'INT64' && random.next() < 0.7) return new Long(number)
  return new Int32(number)
}

/** What the documents of a case have, so that some indexes have no arrays, and few have values of
 *  a wrong type, which keep them from being used. */
interface Traits {
  /** Paths at which there are arrays. */
  readonly arrays: ReadonlySet<string>
  /** How many elements of `list` are numbers, not documents: 0 to 1. */
  readonly numbers: number
}

function value(random: Random, type: IndexedType | undefined, hasArrays: boolean): unknown {
  const die = random.next()
  if (die < 0.1) return null
  if (hasArrays && die < 0.35) {
    return Array.from({ length: random.between(0, 3) }, () => value(random, type, false))
  }
  return scalar(random, type)
}

function fields(random: Random, names: readonly string[], prefix: string, traits: Traits) {
  const present = names.filter(() => random.next() < 0.8)
  return Object.fromEntries(
    present.map(name => {
      const path = prefix + name
      return [name, value(random, FIELDS[path], traits.arrays.has(path))]
    }),
  )
}

function makeDocument(random: Random, id: number, traits: Traits): ModelDocument {
  const element = () => ({
    ...fields(random, ['n', 's', '0'], 'list.', traits),
    ...(random.next() < 0.5 && { in: inner(random, traits) }),
  })
  const { numbers } = traits
  const elements = () =>
    Array.from({ length: random.between(0, 3) }, () => {
      return random.next() < numbers ? value(random, 'INT32', false) : element()
    })
  return {
    _id: idOf(id),
    ...fields(random, ['n', 'd', 'l', 's'], '', traits),
    ...(random.next() < 0.7 && { o: fields(random, ['n'], 'o.', traits) }),
    ...(random.next() < 0.8 && { list: random.next() < 0.8 ? elements() : element() }),
  }
}

function inner(random: Random, traits: Traits): unknown {
  const one = () => fields(random, ['n'], 'list.in.', traits)
  return random.next() < 0.5 ? one() : [one(), one()]
}

/** What the definitions say of the documents follows from these. */
function makeIndexes(
  random: Random,
  options: {
    paths: readonly string[]
    arrays: ReadonlySet<string>
    documents: readonly ModelDocument[]
  },
): IndexDefinition[] {
  const { paths, arrays, documents } = options
  const used = new Set<string>()
  const definitions: IndexDefinition[] = []
  for (let i = random.between(0, 6); i > 0; i--) {
    const isCompound = random.next() < 0.5
    const chosen = new Set(
      Array.from({ length: isCompound ? random.between(2, 3) : 1 }, () => random.pick(paths)),
    )
    if (random.next() < 0.05 && isCompound) chosen.add('_id')
    const types = Object.fromEntries([...chosen].map(path => [path, FIELDS[path] ?? 'OBJECT_ID']))
    const multiKey = [...chosen].find(path => arrays.has(path) || path.startsWith('list'))
    const definition = index(types, {
      multiKey: isCompound || random.next() < 0.5 ? (multiKey ?? '') : '',
      collation: Object.values(types).includes('STRING') ? random.pick(COLLATIONS) : null,
      status: random.next() < 0.9 ? 'READY' : 'BUILDING',
    })
    if (used.has(definition.name) || definition.name === '_id') continue
    used.add(definition.name)
    const entries = documents.map(document => entriesOf(document, definition))
    const hasArrays = entries.some(keys => keys === undefined || keys.length > 1)
    definitions.push({ ...definition, hasArrays, hasSkipped: entries.includes(undefined) })
  }
  return definitions
}

function operand(random: Random, path: string): Literal {
  if (path === '_id') return random.next() < 0.9 ? idOf(random.between(1, 8)) : new Int32(1)
  if (random.next() < 0.05) return random.pick([new Double(2), new Long(2)])
  return random.next() < 0.1 ? null : scalar(random, FIELDS[path])
}

/** A condition on a path; `full` is the path from the document. */
function condition(random: Random, path: string, full: string): Filter {
  const die = random.next()
  if (die < 0.15) {
    const bound = (operators: readonly CompareOperator[]): Filter => {
      const operator = random.pick(operators)
      return { kind: 'compare', path, operator, value: scalar(random, FIELDS[full]) }
    }
    return { kind: 'and', children: [bound(['gt', 'gte']), bound(['lt', 'lte'])] }
  }
  if (die < 0.65) {
    const operator = random.pick(OPERATORS)
    const given = operand(random, full)
    const isBound = operator !== 'eq' && operator !== 'ne'
    return { kind: 'compare', path, operator, value: isBound && given === null ? 'a' : given }
  }
  if (die < 0.9) {
    const kind = random.pick(['in', 'in', 'nin', 'all'] as const)
    const length = random.between(0, 3)
    return { kind, path, values: Array.from({ length }, () => operand(random, full)) }
  }
  if (die < 0.95) return { kind: 'exists', path, value: random.next() < 0.5 }
  return { kind: 'size', path, value: new Int32(random.between(0, 2)) }
}

/** @param full  path that an index may have: of the elements, or of a field in them */
function elemMatch(random: Random, full: string): Filter {
  const isNested = full === 'list.in.n' && random.next() < 0.5
  const inner = (path: string): Filter => {
    const children = Array.from({ length: random.pick([0, 1, 1, 1, 2]) }, () => {
      return condition(random, path, full)
    })
    return { kind: 'and', children }
  }
  const wrap = (path: string, child: Filter): Filter => ({ kind: 'elemMatch', path, child })
  if (isNested) return wrap('list', wrap('in', inner('n')))
  if (random.next() < 0.3) return wrap(full, inner(''))
  if (full === 'list.in.n' && random.next() < 0.5) return wrap('list.in', inner('n'))
  const [array = '', ...rest] = full.split('.')
  return wrap(array, inner(rest.join('.')))
}

function makeFilter(random: Random, paths: readonly string[], depth: number): Filter {
  const die = random.next()
  const path = random.next() < 0.05 ? '_id' : random.pick(paths)
  if (random.next() < (path.startsWith('list') ? 0.5 : 0.1)) {
    const children = Array.from({ length: random.pick([1, 1, 2]) }, () => elemMatch(random, path))
    return { kind: 'and', children }
  }
  if (depth === 0 || die < 0.4) return condition(random, path, path)
  if (die < 0.45) return { kind: 'not', child: makeFilter(random, paths, depth - 1) }
  if (die < 0.47) return { kind: 'true' }
  const length = random.between(die < 0.5 ? 0 : 2, 3)
  const children = Array.from({ length }, () => makeFilter(random, paths, depth - 1))
  if (die < 0.5) return { kind: 'nor', children }
  return { kind: die < 0.8 ? 'and' : 'or', children }
}

/** Another filter of the same shape: other values, and other places. */
function another(random: Random, filter: Filter): Filter {
  const replace = (old: Literal): Literal => {
    if (old instanceof Int32) return new Int32(random.between(0, 4))
    if (old instanceof Double) return new Double(random.between(0, 4) / 2)
    if (typeof old === 'string') return random.pick(['a', 'B', 'ab', 'b'])
    if (old instanceof ObjectId) return idOf(random.between(1, 8))
    return old
  }
  switch (filter.kind) {
    case 'and':
    case 'or':
    case 'nor': {
      const children = filter.children.map(child => another(random, child))
      return { ...filter, children: random.next() < 0.5 ? children.reverse() : children }
    }
    case 'not':
    case 'elemMatch':
      return { ...filter, child: another(random, filter.child) }
    case 'compare':
      return { ...filter, value: replace(filter.value) }
    case 'in':
    case 'nin':
    case 'all':
      return { ...filter, values: filter.values.map(replace) }
    default:
      return filter
  }
}

/** Documents in the order in which ranges are read, each where it comes first. */
function read(bound: BoundPlan, documents: readonly ModelDocument[]): ModelDocument[] {
  const found = new Set<ModelDocument>()
  for (const { index: definition, begin, end } of bound.ranges) {
    assert.ok(Buffer.compare(begin, end) < 0, 'no range is empty')
    const entries = documents.flatMap(document => {
      const keys = entriesOf(document, definition) ?? []
      return keys.map(key => ({ key, document }))
    })
    entries.sort((a, b) => Buffer.compare(a.key, b.key))
    if (bound.reverse) entries.reverse()
    for (const { key, document } of entries) {
      if (Buffer.compare(key, begin) >= 0 && Buffer.compare(key, end) < 0) found.add(document)
    }
  }
  return [...found]
}

/** Where a document stands in an order: at its first value, as encoded in the index that gives it;
 *  documents of equal values by their ids. */
function sortKeyOf(document: ModelDocument, bound: BoundPlan, field: string): Buffer {
  const id = Buffer.from(document._id.id)
  const [range] = bound.ranges
  const definition = range?.index ?? PRIMARY_INDEX
  const at = definition.fields.findIndex(({ selector }) => selector === field)
  const values =
    definition === PRIMARY_INDEX
      ? [encodeValue(document._id, 'OBJECT_ID', null)!]
      : fieldValues(document, definition, definition.fields[at]!)!
  values.sort(Buffer.compare)
  const first = bound.reverse ? values.at(-1)! : values[0]!
  return definition.kind === 'single' ? Buffer.concat([first, id]) : first
}

interface Case {
  readonly documents: readonly ModelDocument[]
  readonly filter: Filter
  readonly input: PlanInput
}

/** Filters that are tried on the same documents and indexes. */
const FILTERS = 4

function makeCases(random: Random): Case[] {
  const arrays = new Set(PATHS.filter(() => random.next() < 0.2))
  const traits = { arrays, numbers: random.pick([0, 0, 0, 0.03, 0.5, 1]) }
  const documents = Array.from({ length: random.between(1, 6) }, (_, i) => {
    return makeDocument(random, i + 1, traits)
  })
  // Few of the paths, so that indexes, conditions and orders meet.
  const paths = Array.from({ length: random.between(2, 3) }, () => random.pick(PATHS))
  const indexes = makeIndexes(random, { paths, arrays, documents })
  const indexed = indexes.flatMap(({ fields }) => fields.map(({ selector }) => selector))
  const bucketCollation = random.pick(COLLATIONS)
  return Array.from({ length: FILTERS }, () => {
    const collation = random.next() < 0.8 ? null : random.pick(COLLATIONS)
    const sortField = random.next() < 0.7 ? null : random.pick([...indexed, ...paths, '_id'])
    const input = { indexes, bucketCollation, collation, sortField }
    return { documents, filter: makeFilter(random, paths, random.between(0, 2)), input }
  })
}

/** @returns what the plan is; undefined: the order can't be had */
function check(random: Random, { documents, filter, input }: Case): string | undefined {
  const collationOf: CollationOf = path => effectiveCollation(path, input)
  const shape = shapeOf(filter, input)
  let plan: ReturnType<typeof planQuery>
  try {
    plan = planQuery(shape.filter, input)
  } catch (error) {
    if (error instanceof RespError && input.sortField !== null) return undefined
    throw error
  }
  const other = another(random, filter)
  const otherShape = shapeOf(other, input)
  assert.is(otherShape.key, shape.key, 'values and order are not part of a shape')
  const isDescending = random.next() < 0.5
  const estimate = random.next() < 0.5 ? () => random.pick([1, 2, undefined]) : undefined
  for (const [asked, { literals }] of [
    [filter, shape],
    [other, otherShape],
  ] as const) {
    const bound = bindPlan(plan, { literals, encode: encodeRange, isDescending, estimate })
    const found = read(bound, documents).filter(document => matches(document, asked, collationOf))
    const expected = documents.filter(document => matches(document, asked, collationOf))
    const byId = (a: ModelDocument, b: ModelDocument) => Buffer.compare(a._id.id, b._id.id)
    assert.equal([...found].sort(byId), expected, 'each matching document is read')
    explainQuery({ root: bound.root, isCached: false, collation: null })
    const { sortField } = input
    if (sortField === null) continue
    const keys = found.map(document => sortKeyOf(document, bound, sortField))
    const sorted = [...keys].sort(Buffer.compare)
    assert.equal(keys, isDescending ? sorted.reverse() : sorted, 'in order')
  }
  const { root } = plan
  return root.kind === 'scan' ? `${root.kind} ${root.index.kind}` : root.kind
}

test('a plan reads every document that matches, in the order that is asked for', () => {
  const used = seed()
  const random = new Random(used)
  const kinds = new Map<string, number>()
  for (let round = rounds('plans over entries'); round > 0; round--) {
    for (const example of makeCases(random)) {
      try {
        const kind = `${check(random, example)}${example.input.sortField === null ? '' : ' sorted'}`
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      } catch (error) {
        console.error(`SEED=${used}`, JSON.stringify(example, printBigint))
        throw error
      }
    }
  }
  const plain = ['nothing', 'full', 'scan single', 'scan compound', 'union', 'choice']
  const sorted = ['nothing', 'full', 'scan single', 'scan compound', 'concat', 'undefined']
  for (const kind of [...plain, ...sorted.map(name => `${name} sorted`)]) {
    assert.ok((kinds.get(kind) ?? 0) >= 10, `${kind} comes up: SEED=${used}`)
  }
})

function printBigint(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

test.run()
