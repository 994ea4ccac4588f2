/** Random projections, as the argument of PROJECTION and as what they leave of a document. */
import type { Random } from '../random.js'
import { type Doc, isArray, isDoc, type Value } from './values.js'

/** Numbers of the argument are plain ones. */
export interface Projection {
  readonly argument: Readonly<Record<string, number | { readonly $slice: number | number[] }>>
  /** What is left; undefined where the contract does not say it for such a document. */
  readonly apply: (doc: Doc) => Doc | undefined
}

const TOP = ['u', 'a', 'c', 'b', 'd', 'm', 'q'] as const

export function drawProjection(random: Random): Projection {
  const names = TOP.filter(() => random.next() < 0.4)
  switch (random.between(0, 3)) {
    case 0:
      return inclusion(names.length > 0 ? names : ['a'], random)
    case 1:
      return exclusion(names.length > 0 ? names : ['a'], random)
    case 2:
      return ofElements(random.next() < 0.5)
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

function slice(random: Random): Projection {
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
