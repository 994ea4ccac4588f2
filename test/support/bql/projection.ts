/** Random projections, as the argument of PROJECTION and as what they leave of a document. */
import type { Random } from '../random.js'
import { type Doc, isArray, isDoc, type Value } from './values.js'

/** Numbers of the argument are plain ones. */
export interface Projection {
  readonly argument: Readonly<Record<string, number | SliceSpec>>
  /** What is left; undefined where the contract does not say it for such a document. */
  readonly apply: (doc: Doc) => Doc | undefined
}

interface SliceSpec {
  readonly $slice: number | number[]
}

const TOP = ['u', 'a', 'c', 'b', 'd', 'm', 'q'] as const

/** @param filter  of the query; `$` means what it asks of `b` */
export function drawProjection(random: Random, filter: Doc): Projection {
  const names = TOP.filter(() => random.next() < 0.4)
  switch (random.between(0, 7)) {
    case 0:
      return inclusion(names.length > 0 ? names : ['a'], random)
    case 1:
      return exclusion(names.length > 0 ? names : ['a'], random)
    case 2:
      return ofElements(random.next() < 0.5)
    case 3:
      return nestedInclusion(random)
    case 4:
      return nestedExclusion(random)
    case 5:
      return firstElement(filter)
    case 6:
      return sliceBesideOthers(random)
    default:
      return slice(random)
  }
}

function inclusion(names: readonly string[], random: Random): Projection {
  const withId = random.next() < 0.7
  const argument = Object.fromEntries(names.map(name => [name, 1]))
  return {
    argument: withId ? argument : { ...argument, _id: 0 },
    apply: doc => {
      const present = [...(withId ? ['_id'] : []), ...names].filter(name => name in doc)
      return Object.fromEntries(present.map(name => [name, doc[name]!]))
    },
  }
}

function exclusion(names: readonly string[], random: Random): Projection {
  const gone = random.next() < 0.7 ? names : [...names, '_id']
  return {
    argument: Object.fromEntries(gone.map(name => [name, 0])),
    apply: doc => Object.fromEntries(Object.entries(doc).filter(([name]) => !gone.includes(name))),
  }
}

/** One field of the documents in `e`, alone or left out. */
function ofElements(isInclusion: boolean): Projection {
  const project = (element: Doc): Doc =>
    Object.fromEntries(Object.entries(element).filter(([name]) => (name === 'x') === isInclusion))
  return {
    argument: { 'e.x': isInclusion ? 1 : 0 },
    apply: doc => {
      const { e } = doc
      if (e === undefined) return isInclusion ? { _id: doc._id! } : doc
      if (!isArray(e)) return undefined
      const kept: Value[] = isInclusion ? e.filter(isDoc) : [...e]
      const projected = kept.map(element => (isDoc(element) ? project(element) : element))
      return isInclusion ? { _id: doc._id!, e: projected } : { ...doc, e: projected }
    },
  }
}

/** Fields of the document `d`, in the order that is asked for, beside one of the top. */
function nestedInclusion(random: Random): Projection {
  const inner = shuffled(random, ['x', 'y', 'z']).slice(0, random.between(1, 3))
  // Of `z` the whole, or its only field.
  const last = random.next() < 0.5 ? 'z' : 'z.w'
  const paths = inner.map(name => `d.${name === 'z' ? last : name}`)
  const isFirst = random.next() < 0.5
  const argument = Object.fromEntries((isFirst ? ['a', ...paths] : [...paths, 'a']).map(one))
  return {
    argument,
    apply: doc => {
      const { _id, a, d } = doc
      if (d !== undefined && !isDoc(d)) return undefined
      const present = inner.filter(name => d !== undefined && name in d)
      if (d !== undefined && present.length === 0) return undefined
      const left: Doc = Object.fromEntries(present.map(name => [name, d![name]!]))
      const [ownA, ownD]: Doc[] = [a === undefined ? {} : { a }, d === undefined ? {} : { d: left }]
      return { _id: _id!, ...(isFirst ? { ...ownA, ...ownD } : { ...ownD, ...ownA }) }
    },
  }
}

function nestedExclusion(random: Random): Projection {
  const paths = ['d.x', 'd.y', 'd.z.w', 'a', 'e.y'].filter(() => random.next() < 0.5)
  const gone = paths.length > 0 ? paths : ['d.z.w']
  return {
    argument: Object.fromEntries(gone.map(path => [path, 0])),
    apply: doc => gone.reduce((left, path) => without(left, path.split('.')), doc),
  }
}

function without(doc: Doc, [name = '', ...rest]: readonly string[]): Doc {
  const inner = doc[name]
  if (rest.length === 0) {
    return Object.fromEntries(Object.entries(doc).filter(([other]) => other !== name))
  }
  if (isDoc(inner)) return { ...doc, [name]: without(inner, rest) }
  if (!isArray(inner)) return doc
  return { ...doc, [name]: inner.map(one => (isDoc(one) ? without(one, rest) : one)) }
}

/** Where the filter says nothing of `b`, that is its first element. */
function firstElement(filter: Doc): Projection {
  const isOpen = !/"b[".]/.test(JSON.stringify(filter))
  return {
    argument: { 'b.$': 1, a: 1 },
    apply: ({ _id, a, b }) => {
      if (!isOpen) return undefined
      const others: Doc = a === undefined ? {} : { a }
      return { _id: _id!, ...(isArray(b) ? { b: b.slice(0, 1) } : {}), ...others }
    },
  }
}

function sliceBesideOthers(random: Random): Projection {
  const { argument, apply } = slice(random)
  const isInclusion = random.next() < 0.5
  return {
    argument: { ...argument, a: isInclusion ? 1 : 0 },
    apply: doc => {
      const { a, ...others } = apply(doc)
      if (!isInclusion) return others
      const { _id, b } = others
      return { _id: _id!, ...(b === undefined ? {} : { b }), ...(a === undefined ? {} : { a }) }
    },
  }
}

function slice(random: Random): Pick<Projection, 'argument'> & { apply(doc: Doc): Doc } {
  const count = random.between(-2, 3)
  const skip = random.between(-3, 2)
  const limit = random.between(1, 2)
  const isPair = random.next() < 0.5
  const part = (list: readonly Value[]): Value[] => {
    if (!isPair) return count >= 0 ? list.slice(0, count) : list.slice(count)
    const from = skip >= 0 ? skip : Math.max(list.length + skip, 0)
    return list.slice(from, from + limit)
  }
  return {
    argument: { b: { $slice: isPair ? [skip, limit] : count } },
    apply: doc => (isArray(doc.b) ? { ...doc, b: part(doc.b) } : doc),
  }
}

function one(path: string): [string, number] {
  return [path, 1]
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const ranked = items.map(item => ({ item, rank: random.next() }))
  return ranked.sort((left, right) => left.rank - right.rank).map(({ item }) => item)
}
