/** Random updates, as the argument of BUCKET.UPDATE and as what they do to a document. */
import type { Random } from '../random.js'
import type { Shape } from './draw-documents.js'
import { drawFitting } from './draw-values.js'
import { type Doc, isDoc, type Value } from './values.js'

export interface Change {
  readonly argument: Doc
  readonly apply: (doc: Doc) => Doc
}

/** Sets and unsets fields of the top and inside of `d`; `u` stays, for it is unique. */
export function drawChange(random: Random, { slots }: Shape): Change {
  const set = new Map<string, Value>()
  const unset = new Set<string>()
  const open = slots.filter(({ path }) => ['a', 'b', 'c', 'd.x', 'd.y'].includes(path))
  const count = random.between(1, 3)
  for (let i = 0; i < count; i++) {
    const { path, type, arrays } = random.pick(open)
    const one = () => drawFitting(random, type)
    if (random.next() < 0.3) unset.add(path)
    else if (arrays && random.next() < 0.5) set.set(path, [one(), null, one()])
    else set.set(path, random.next() < 0.1 ? null : one())
  }
  return {
    argument: { $set: Object.fromEntries(set), $unset: [...unset] },
    apply: doc => {
      let result = doc
      for (const path of unset) result = withoutField(result, path.split('.'))
      for (const [path, value] of set) {
        // A path both set and unset is only unset.
        if (!unset.has(path)) result = withField(result, path.split('.'), value)
      }
      return result
    },
  }
}

function withField(doc: Doc, [name = '', ...rest]: readonly string[], value: Value): Doc {
  if (rest.length === 0) return { ...doc, [name]: value }
  const inner = Object.hasOwn(doc, name) ? doc[name] : {}
  // What is no document blocks the way.
  return isDoc(inner) ? { ...doc, [name]: withField(inner, rest, value) } : doc
}

function withoutField(doc: Doc, [name = '', ...rest]: readonly string[]): Doc {
  if (!Object.hasOwn(doc, name)) return doc
  const inner = doc[name]
  if (rest.length > 0) return isDoc(inner) ? { ...doc, [name]: withoutField(inner, rest) } : doc
  const { [name]: _gone, ...others } = doc
  return others
}
