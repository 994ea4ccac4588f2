/** Reads the imports of TypeScript sources and resolves them inside the repository. */
import { posix } from 'node:path'
import type { Source } from './sources.js'

/** One import or re-export of a file of ours.
 *  typeOnly  gone after compilation, so it makes no dependency at run time */
export interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'/gm
const DYNAMIC = /\bimport\('(\.[^']+)'\)/g

/** Imports of a source, `to` as the path of the TypeScript file. */
export function importsOf({ path, text }: Source): Import[] {
  const resolve = (specifier: string) =>
    posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
  const statements = [...text.matchAll(STATEMENT)].map(match => ({
    from: path,
    to: resolve(match[2] ?? ''),
    typeOnly: match[1] !== undefined,
  }))
  const dynamic = [...text.matchAll(DYNAMIC)].map(match => ({
    from: path,
    to: resolve(match[1] ?? ''),
    typeOnly: false,
  }))
  return [...statements, ...dynamic]
}

/** The first cycle among run-time imports, as the files on it; undefined if there is none. */
export function findCycle(imports: readonly Import[]): string[] | undefined {
  const targets = new Map<string, string[]>()
  for (const { from, to, typeOnly } of imports) {
    if (!typeOnly) targets.set(from, [...(targets.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): string[] | undefined => {
    const seenAt = trail.indexOf(file)
    if (seenAt >= 0) return [...trail.slice(seenAt), file]
    if (done.has(file)) return undefined
    for (const target of targets.get(file) ?? []) {
      const cycle = visit(target, [...trail, file])
      if (cycle !== undefined) return cycle
    }
    done.add(file)
    return undefined
  }
  for (const file of targets.keys()) {
    const cycle = visit(file, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}
