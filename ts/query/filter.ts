/**
 * The filter of a query as a tree, and its program: the BSON form that native code evaluates.
 * TypeScript parses and plans; it never compares a document's value itself.
 */

import { type Document, serialize } from 'bson'

export type CompareOperator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte'

/** A literal as the `bson` package holds it with all promotion off. */
export type Literal = unknown

export type Filter =
  | { readonly kind: 'true' }
  | { readonly kind: 'and' | 'or' | 'nor'; readonly children: readonly Filter[] }
  | { readonly kind: 'not'; readonly child: Filter }
  | {
      readonly kind: 'compare'
      readonly path: string
      readonly operator: CompareOperator
      readonly value: Literal
    }
  | {
      readonly kind: 'in' | 'nin' | 'all'
      readonly path: string
      readonly values: readonly Literal[]
    }
  | { readonly kind: 'size'; readonly path: string; readonly value: Literal }
  | { readonly kind: 'exists'; readonly path: string; readonly value: boolean }
  | { readonly kind: 'regex'; readonly path: string; readonly value: Literal }
  | { readonly kind: 'elemMatch'; readonly path: string; readonly child: Filter }

/** Path of a test on the element itself, inside `$elemMatch`. */
export const SELF_PATH = ''

/** Joins conditions that must all hold. */
export function allOf(children: readonly Filter[]): Filter {
  const [only] = children
  if (only === undefined) return { kind: 'true' }
  return children.length === 1 ? only : { kind: 'and', children }
}

/** The program of a filter: one BSON document, the node format of `native/document`. */
export function compileFilter(filter: Filter): Buffer {
  return Buffer.from(serialize(node(filter)))
}

function node(filter: Filter): Document {
  switch (filter.kind) {
    case 'true':
      return { n: 'true' }
    case 'and':
    case 'or':
    case 'nor':
      return { n: filter.kind, c: filter.children.map(node) }
    case 'not':
      return { n: 'not', c: [node(filter.child)] }
    case 'compare':
      return { n: 'cmp', p: filter.path, o: filter.operator, v: filter.value }
    case 'in':
    case 'nin':
    case 'all':
      return { n: filter.kind, p: filter.path, v: filter.values }
    case 'size':
    case 'exists':
    case 'regex':
      return { n: filter.kind, p: filter.path, v: filter.value }
    case 'elemMatch':
      return { n: 'elem', p: filter.path, c: [node(filter.child)] }
  }
}
