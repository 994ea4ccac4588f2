/** Random samples of the items in a table. */
import type { NameTable } from './name-table.js'

/** Different items, drawn at random: `count` of them, or all when there are fewer. */
export function distinct(table: NameTable, count: number): number[] {
  if (count >= table.size) return [...table]
  return count * 3 > table.size ? shuffled([...table], count) : drawn(table, count)
}

/** The first `count` of a list in random order. */
function shuffled(items: number[], count: number): number[] {
  for (let i = 0; i < count; i++) {
    const at = i + Math.floor(Math.random() * (items.length - i))
    const item = items[at]!
    items[at] = items[i]!
    items[i] = item
  }
  return items.slice(0, count)
}

/** Draws again what was drawn before: seldom, as long as the sample is a small part. */
function drawn(table: NameTable, count: number): number[] {
  const items = new Set<number>()
  while (items.size < count) items.add(table.random())
  return [...items]
}
