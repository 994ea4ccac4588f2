/**
 * Updates, naively: one change after the other, as the contract says, on a document that is a
 * tree. Knows nothing of `native/document`.
 */
import { matches, valueAt } from './evaluate.js'
import { type Doc, isArray, isDoc, type Value } from './values.js'

/** What the positional segments of paths mean. */
export interface Positions {
  /** `$[name]`: the elements that pass. */
  readonly filters: ReadonlyMap<string, (element: Value) => boolean>
  /** `$` */
  readonly matched?: number
}

/** The test of an item of `array_filters`.
 *  @param path  behind the name, '' for the element itself */
export function arrayFilter(path: string, condition: Doc): (element: Value) => boolean {
  return element => {
    const value = isDoc(element) && path !== '' ? valueAt(element, path) : element
    if (value === undefined) return condition.$exists === false
    return matches({ v: value }, { v: condition })
  }
}

/** A document with the value at a path set. */
export function withValue(doc: Doc, path: string, value: Value, positions: Positions): Doc {
  return setIn(doc, path.split('.'), value, positions) as Doc
}

/** A document without what is at a path. */
export function withoutValue(doc: Doc, path: string, positions: Positions): Doc {
  return unsetIn(doc, path.split('.'), positions) as Doc
}

function setIn(
  target: Value,
  [step = '', ...rest]: readonly string[],
  value: Value,
  positions: Positions,
): Value {
  const inner = (child: Value) => (rest.length === 0 ? value : setIn(child, rest, value, positions))
  if (isArray(target)) {
    const isMeant = meant(step, positions)
    return target.map((element, i) => (isMeant(element, i) ? inner(element) : element))
  }
  if (!isDoc(target) || step.startsWith('$')) return target
  if (Object.hasOwn(target, step)) return { ...target, [step]: inner(target[step]!) }
  // Nothing is made on the way to elements that are not there.
  if (rest.some(later => later.startsWith('$'))) return target
  const [next] = rest
  return { ...target, [step]: inner(next !== undefined && isNumber(next) ? [] : {}) }
}

function unsetIn(
  target: Value,
  [step = '', ...rest]: readonly string[],
  positions: Positions,
): Value {
  if (isArray(target)) {
    const isMeant = meant(step, positions)
    if (rest.length > 0) {
      return target.map((element, i) => {
        return isMeant(element, i) ? unsetIn(element, rest, positions) : element
      })
    }
    if (step === '$') return target.map((element, i) => (isMeant(element, i) ? null : element))
    return target.filter((element, i) => !isMeant(element, i))
  }
  if (!isDoc(target) || !Object.hasOwn(target, step)) return target
  if (rest.length > 0) return { ...target, [step]: unsetIn(target[step]!, rest, positions) }
  const { [step]: _gone, ...others } = target
  return others
}

/** Which elements a segment means. */
function meant(
  step: string,
  { filters, matched }: Positions,
): (element: Value, position: number) => boolean {
  if (step === '$') return (_, position) => position === matched
  if (step === '$[]') return () => true
  const name = /^\$\[(.+)\]$/.exec(step)?.[1]
  if (name !== undefined) return filters.get(name)!
  return (_, position) => isNumber(step) && position === Number(step)
}

function isNumber(step: string): boolean {
  return /^\d+$/.test(step)
}
