/**
 * The shape of a query: everything that a plan depends on apart from the indexes of the bucket.
 * Queries of one shape share plans, so the literals of both have to stand in the same order.
 */

import { type Collation, collationFields } from '../language/collation.js'
import type { Filter, Literal } from '../language/filter.js'
import { type Logical, literalType, type Param } from './logical.js'
import { isFalse, normalise } from './normalise.js'

export interface QueryShape {
  /** Equal for queries that can share a plan. */
  readonly key: string
  readonly filter: Logical
  /** In the order in which the parameters of `filter` count them. */
  readonly literals: readonly Literal[]
}

/** @param sortField  of SORTBY; its direction is no part of the shape
 *  @param collation  of the option COLLATION */
export function shapeOf(
  filter: Filter,
  options: { sortField: string | null; collation: Collation | null },
): QueryShape {
  const part = partOf(normalise(filter))
  const literals: Literal[] = []
  const logical = part.build(literals)
  const collation = options.collation && Object.values(collationFields(options.collation))
  const key = `${part.key} ${JSON.stringify([options.sortField, collation])}`
  return { key, filter: logical, literals }
}

/** A filter whose parameters are not numbered yet: those of siblings come in the order of their
 *  keys, which is only known once all keys are. */
interface Part {
  readonly key: string
  /** Appends the literals and gives them their numbers. */
  build(literals: Literal[]): Logical
}

function partOf(filter: Filter): Part {
  if (isFalse(filter)) return leaf('false', { kind: 'false' })
  switch (filter.kind) {
    case 'true':
      return leaf('true', { kind: 'true' })
    case 'and':
    case 'or':
      return joined(filter.kind, filter.children.map(partOf))
    case 'nor':
      return partOf(normalise(filter))
    case 'not':
      return wrapped('not', partOf(filter.child), child => ({ kind: 'not', child }))
    case 'compare': {
      const { path, operator, value } = filter
      const key = keyOf(operator, path, literalType(value))
      const build = (literals: Literal[]): Logical => {
        return { kind: 'compare', path, operator, param: param(value, literals) }
      }
      return { key, build }
    }
    case 'in':
    case 'nin':
    case 'all': {
      const { kind, path, values } = filter
      const key = keyOf(kind, path, values.map(literalType).join('|'))
      const build = (literals: Literal[]): Logical => {
        return { kind, path, params: values.map(value => param(value, literals)) }
      }
      return { key, build }
    }
    case 'size':
    case 'regex': {
      const { kind, path, value } = filter
      const build = (literals: Literal[]): Logical => {
        return { kind, path, param: param(value, literals) }
      }
      return { key: keyOf(kind, path, ''), build }
    }
    case 'exists': {
      const { kind, path, value } = filter
      return leaf(keyOf(kind, path, String(value)), { kind, path, value })
    }
    case 'elemMatch': {
      const { kind, path } = filter
      return wrapped(keyOf(kind, path, ''), partOf(filter.child), child => ({ kind, path, child }))
    }
  }
}

/** Paths are quoted, so that no path looks like another part of the key. */
function keyOf(name: string, path: string, detail: string): string {
  return `${name}:${JSON.stringify(path)}:${detail}`
}

function leaf(key: string, logical: Logical): Part {
  return { key, build: () => logical }
}

function wrapped(key: string, child: Part, wrap: (child: Logical) => Logical): Part {
  return { key: `${key}(${child.key})`, build: literals => wrap(child.build(literals)) }
}

/** Children stay as they were written, which decides between plans that are equally good. */
function joined(kind: 'and' | 'or', parts: readonly Part[]): Part {
  const order = [...parts.keys()].sort((a, b) => compareKeys(parts[a]!.key, parts[b]!.key))
  const build = (literals: Literal[]): Logical => {
    const children = new Array<Logical>(parts.length)
    for (const i of order) children[i] = parts[i]!.build(literals)
    return { kind, children }
  }
  return { key: `${kind}(${order.map(i => parts[i]!.key).join()})`, build }
}

function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function param(value: Literal, literals: Literal[]): Param {
  return { index: literals.push(value) - 1, type: literalType(value) }
}
