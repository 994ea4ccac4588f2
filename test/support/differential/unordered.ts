/** Comparison of replies whose order is not said, and options of the scans, which give such. */
import type { Frame } from '../resp-client.js'
import type { Draw } from './draw.js'
import { isSame } from './play.js'

/** The elements of a reply; none when it has none. */
export function itemsOf({ value }: Frame): readonly Frame[] {
  return Array.isArray(value) ? value : []
}

/** Are two replies of one type, with the same items in any order? @param width of an item */
export function isSameSet(one: Frame, other: Frame, width: number): boolean {
  if (one.type !== other.type || !Array.isArray(one.value)) return false
  const left = grouped(itemsOf(other), width)
  const items = grouped(itemsOf(one), width)
  if (items.length !== left.length) return false
  for (const item of items) {
    const at = left.findIndex(candidate => candidate.every((part, i) => isSame(part, item[i]!)))
    if (at === -1) return false
    left.splice(at, 1)
  }
  return true
}

/** Are both the only page of a scan, with the same items? */
export function isSamePage(one: Frame, other: Frame, width: number): boolean {
  const [cursor, items] = itemsOf(one)
  const [otherCursor, otherItems] = itemsOf(other)
  if (items === undefined || otherItems === undefined) return false
  return isSame(cursor!, otherCursor!) && isSameSet(items, otherItems, width)
}

function grouped(items: readonly Frame[], width: number): Frame[][] {
  const groups: Frame[][] = []
  for (let i = 0; i < items.length; i += width) groups.push(items.slice(i, i + width))
  return groups
}

/** A COUNT that both servers answer with one page, and now and then a mistake. */
export function countOption(draw: Draw): string[] {
  const wrong = ['0', '-1', 'x', '1.5']
  return [draw.word('COUNT'), draw.chance(0.9) ? '1000' : draw.pick(wrong)]
}

/** MATCH with one of some patterns, or nothing, or now and then a mistake. */
export function matchOption(draw: Draw, patterns: readonly string[]): string[] {
  if (draw.chance(0.4)) return []
  if (draw.chance(0.06)) return [draw.pick(['odd', 'MATCH'])]
  return [draw.word('MATCH'), draw.pick(patterns)]
}
