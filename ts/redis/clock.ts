/**
 * The time by which keys expire: the wall clock of this member. It stands still while EXEC runs its
 * queue, so that no key expires between two commands of it.
 */

let heldMs: number | undefined

/** Unix time in ms. */
export function nowMs(): number {
  return heldMs ?? Date.now()
}

/** Makes `nowMs` stand still. ORDER: `releaseTime` in the same turn of the event loop. */
export function holdTime(): void {
  heldMs = Date.now()
}

export function releaseTime(): void {
  heldMs = undefined
}
