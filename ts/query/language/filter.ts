/** The filter of a query as a tree. TypeScript parses and plans; it never compares values. */

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

/** Path of a test on the element itself, inside `$elemMatch`; no name has a zero in it. */
export const SELF_PATH = '\0'

/** Joins conditions that must all hold. */
export function allOf(children: readonly Filter[]): Filter {
  const [only] = children
  if (only === undefined) return { kind: 'true' }
  return children.length === 1 ? only : { kind: 'and', children }
}
