/**
 * Which members are silent, judged by this member alone, from heartbeats that it has seen stand
 * still. Nothing follows from it by itself.
 */

/** What was seen of one member. */
interface View {
  latest: bigint | undefined
  /** Looks at it since it moved, that one included. */
  looks: number
}

export class Liveness {
  readonly #views = new Map<string, View>()
  readonly #silentLooks: number

  /** @param silentLooks looks without a beat that a member is allowed */
  constructor(silentLooks: number) {
    this.#silentLooks = silentLooks
  }

  /** Compares with the look before; one every heartbeat interval.
   *  @param heartbeats of all members that there are */
  look(heartbeats: ReadonlyMap<string, bigint>): void {
    for (const memberId of this.#views.keys()) {
      if (!heartbeats.has(memberId)) this.#see(memberId, undefined)
    }
    for (const [memberId, latest] of heartbeats) this.#see(memberId, latest)
  }

  /** True of one that is not known yet; it is watched from now on. */
  isAlive(memberId: string): boolean {
    const view = this.#views.get(memberId)
    if (view !== undefined) return view.looks <= this.#silentLooks
    this.#views.set(memberId, { latest: undefined, looks: 0 })
    return true
  }

  #see(memberId: string, latest: bigint | undefined): void {
    const view = this.#views.get(memberId)
    if (view === undefined || view.latest !== latest) {
      this.#views.set(memberId, { latest, looks: 1 })
    } else {
      view.looks++
    }
  }
}
