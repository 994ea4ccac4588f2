/**
 * This member's own record and heartbeat, and a look at those of the others with each beat.
 *
 * What fails of it is logged and tried again at the next interval.
 */

import type { Logger } from 'pino'
import { unpack } from '../store/packed-range.js'
import type { Store } from '../store/store.js'
import type { ClusterKeys } from './keys.js'
import type { Liveness } from './liveness.js'
import { decodeMember, encodeMember, type MemberRecord } from './member.js'

export interface MembershipOptions {
  readonly intervalMs: number
  readonly liveness: Liveness
  readonly log: Logger
}

export class Membership {
  readonly #store: Store
  readonly #keys: ClusterKeys
  readonly #options: MembershipOptions
  #record: MemberRecord | undefined
  #timer: NodeJS.Timeout | undefined
  /** The heartbeat under way. */
  #beating: Promise<void> | undefined

  constructor(store: Store, keys: ClusterKeys, options: MembershipOptions) {
    this.#store = store
    this.#keys = keys
    this.#options = options
  }

  /** Writes the record as RUNNING and starts the heartbeat. */
  async register(record: MemberRecord): Promise<void> {
    await this.#store.transact(
      async tx => {
        tx.set(this.#keys.memberRecord(record.memberId), encodeMember(record))
        tx.add(this.#keys.topology, 1n)
      },
      { idempotent: true },
    )
    this.#record = record
    await this.#beat()
    this.#timer = setInterval(() => {
      this.#beating ??= this.#beat().finally(() => {
        this.#beating = undefined
      })
    }, this.#options.intervalMs)
    this.#timer.unref()
  }

  /** The record of an earlier run of this member, if there was one. */
  async previous(memberId: string): Promise<MemberRecord | undefined> {
    const value = await this.#store.transact(tx => tx.get(this.#keys.memberRecord(memberId)))
    return value === undefined ? undefined : decodeMember(value)
  }

  /** Marks the record STOPPED; nothing when `register` did not get through. */
  async leave(): Promise<void> {
    clearInterval(this.#timer)
    await this.#beating
    const record = this.#record
    if (record === undefined) return
    this.#record = undefined
    await this.#store.transact(
      tx => {
        const stopped = encodeMember({ ...record, status: 'STOPPED' })
        tx.set(this.#keys.memberRecord(record.memberId), stopped)
        tx.add(this.#keys.topology, 1n)
      },
      { idempotent: true },
    )
  }

  async #beat(): Promise<void> {
    const record = this.#record
    if (record === undefined) return
    try {
      await this.#store.transact(tx => tx.add(this.#keys.heartbeat(record.memberId), 1n))
      this.#options.liveness.look(await this.#heartbeats())
    } catch (cause) {
      this.#options.log.warn({ err: cause }, 'a heartbeat could not be written, or others not read')
    }
  }

  async #heartbeats(): Promise<Map<string, bigint>> {
    const { begin, end } = this.#keys.members()
    const range = await this.#store.transact(tx => tx.getRangeAll(begin, end, { snapshot: true }))
    const heartbeats = new Map<string, bigint>()
    for (const { key, value } of unpack(range)) {
      const { memberId, isRecord } = this.#keys.parseMember(key)
      if (!isRecord) heartbeats.set(memberId, value.readBigInt64LE())
    }
    return heartbeats
  }
}
