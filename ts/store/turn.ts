/**
 * Keeps the event loop alive. The embedded store answers at once, so a loop of awaits on it never
 * leaves the microtask queue: no timer fires, no socket is read. Such loops await `yieldTurn()`.
 */

/** Time that one turn may spend between yields. */
const BUDGET_MS = 1

/** When this turn was first charged; 0 = not yet. */
let chargedSinceMs = 0
let nextTurn: Promise<void> | undefined

/** @returns a promise of the next turn when this one has used up its budget, else undefined */
export function yieldTurn(): Promise<void> | undefined {
  if (nextTurn !== undefined) return nextTurn
  const nowMs = performance.now()
  if (chargedSinceMs === 0) {
    chargedSinceMs = nowMs
    setImmediate(startTurn)
    return undefined
  }
  if (nowMs - chargedSinceMs < BUDGET_MS) return undefined
  nextTurn = new Promise(resolve => {
    setImmediate(resolve)
  })
  return nextTurn
}

/** A promise of the next turn, for work in the background that clients must hardly notice. */
export function leaveTurn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}

function startTurn(): void {
  chargedSinceMs = 0
  nextTurn = undefined
}
