/**
 * The Redis side of a member: the REDIS shards of which it is the primary, in memory, each with its
 * syncer; the slot gate; expiry.
 */

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import { err, outOfMemory, RespError } from '../error.js'
import { Transit } from '../resp/transit.js'
import type { Store } from '../store/store.js'
import type { ShardRoute, ShardRoutes } from '../volume/shard-routes.js'
import type { SynchronousStandbys } from '../volume/standbys.js'
import type { Volume } from '../volume/volume.js'
import type { Volumes } from '../volume/volumes.js'
import { HeldBytes } from './memory/held-bytes.js'
import { walk } from './memory/walk.js'
import { loadShard } from './persistence/loader.js'
import { Syncer } from './persistence/syncer.js'
import { ShardData } from './shard.js'
import { shardOfSlot, slotOf } from './slots.js'
import { WatchedKeys } from './watched-keys.js'

const SWEEP_INTERVAL_MS = 100
const SWEEP_KEYS = 20
/** A sweep goes on at once when so many of its keys had expired. */
const SWEEP_AGAIN = 5
/** A sweep takes so long at most, then others have their turn, for longer. */
const SWEEP_LIMIT_MS = 2
const SWEEP_PAUSE_MS = 6
const PREFIX_BYTES = 8
/** A start, or a change of routes, waits so long for data that is loaded. */
const LOAD_PATIENCE_MS = 1_000
/** So many keys that expire are looked at when keys are counted: with fewer it is exact. */
const COUNTED_EXACTLY = 1_000
/** Keys that RANDOMKEY draws before it gives up: they had all expired. */
const DRAWS_MAX = 1_000

export interface RedisParts {
  readonly store: Store
  readonly routes: ShardRoutes
  readonly volumes: Volumes
  /** Asked in synchronous mode only. */
  readonly standbys: SynchronousStandbys
  readonly config: Config
  readonly log: Logger
}

/** The words of a request, as far as the slot gate needs them. */
export interface KeyedFrame {
  readonly input: Uint8Array
  readonly base: number
  readonly count: number
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

interface OpenShard {
  readonly data: ShardData
  syncer: Syncer | undefined
}

/** Sees a key; it may have expired. */
type VisitKey = (shard: ShardData, key: number) => void

export class Redis {
  readonly watched = new WatchedKeys()
  /** What sessions keep for MULTI and WATCH. */
  readonly held: HeldBytes
  /** Large words and replies on their way: they may use what memory is left, and the largest
   *  request in any case. */
  readonly transit: Transit
  readonly #parts: RedisParts
  readonly #shards = new Map<number, OpenShard>()
  /** Of all open shards. Each write adds up what they use. */
  #data: readonly ShardData[] = []
  readonly #prefix: Buffer
  #shardCount = 0
  /** The slot that was admitted last, and the data of its shard: the command asks for it next. */
  #admittedSlot = -1
  #admittedData: ShardData | undefined
  #sweeper: NodeJS.Timeout | undefined
  /** The shard that is swept next, by its place in `#data`. */
  #sweepTurn = 0
  #following: Promise<void> = Promise.resolve()
  /** Changes of routes that are not followed yet, and since when there have been some. */
  #pending = 0
  #busySinceMs = 0
  #stopped = false

  constructor(parts: RedisParts) {
    this.#parts = parts
    const { network, redis } = parts.config
    this.held = new HeldBytes(network.query_buffer_limit)
    this.transit = new Transit(() =>
      Math.max(network.query_buffer_limit, redis.maxmemory - this.#keptBytes),
    )
    this.#prefix = createHash('sha256')
      .update(parts.config.redis.volume_syncer.prefix)
      .digest()
      .subarray(0, PREFIX_BYTES)
  }

  /** Loads the shards of this member and follows the routes. Registered after the volumes, so a
   *  shard's volume is open when its turn comes. A long load goes on behind the start: until its
   *  end requests for that shard answer `not usable yet`, and everything else is served. */
  async start(): Promise<void> {
    this.#parts.routes.onChange(() => this.#followPatiently())
    await this.#followPatiently()
    this.#sweepAfter(SWEEP_INTERVAL_MS)
  }

  /** Resolves when the shards of this member are loaded, as the routes are now. */
  async loaded(): Promise<void> {
    await this.#following
  }

  /** Writes everything that is dirty. @throws what could not be written */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#sweeper)
    await this.#following
    await allOf([...this.#shards.values()].flatMap(({ syncer }) => syncer?.stop() ?? []))
  }

  /** Slot of a request's keys: one for all of them, of a shard that serves the request.
   *  @throws RespError CROSSSLOT, MOVED, ERR shard id: … */
  admit(
    frame: KeyedFrame,
    keys: { first: number; last: number; step: number },
    isWrite: boolean,
  ): number {
    const last = keys.last < 0 ? frame.count + keys.last : keys.last
    let slot = -1
    for (let i = keys.first; i <= last; i += keys.step) {
      const start = frame.base + frame.starts[i]!
      const own = slotOf(frame.input, start, frame.base + frame.ends[i]!)
      if (slot !== -1 && own !== slot) {
        throw new RespError('CROSSSLOT', "Keys in request don't hash to the same slot")
      }
      slot = own
    }
    this.#checkRoute(slot, isWrite)
    this.#admittedSlot = slot
    this.#admittedData = this.findShard(slot)
    return slot
  }

  /** The data of the shard that owns a slot; the slot gate has admitted the request. */
  shardOf(slot: number): ShardData {
    if (slot === this.#admittedSlot) return this.#admittedData!
    const data = this.findShard(slot)
    if (data === undefined) throw new Error(`slot ${slot} is not served here`)
    return data
  }

  /** As `shardOf`, for a slot that nobody has admitted; undefined when it is not served here. */
  findShard(slot: number): ShardData | undefined {
    return this.#shards.get(shardOfSlot(slot, this.#shardCount))?.data
  }

  /** Live keys of a slot; none when the slot is not served here. */
  keysInSlot(slot: number): Iterable<string> {
    return this.findShard(slot)?.keysInSlot(slot) ?? []
  }

  /** The number of keys of a slot; 0 when the slot is not served here. */
  countInSlot(slot: number): number {
    return this.findShard(slot)?.countInSlot(slot, COUNTED_EXACTLY) ?? 0
  }

  keyspace(): { keys: number; expires: number } {
    let keys = 0
    let expires = 0
    for (const { data } of this.#shards.values()) {
      keys += data.size
      expires += data.expiringSize
    }
    return { keys, expires }
  }

  /** The number of keys in the shards of this member.
   *  @throws RespError ERR shard id: … */
  countKeys(): number {
    let count = 0
    for (const data of this.#ownShards(false)) count += data.countKeys(COUNTED_EXACTLY)
    return count
  }

  /** A piece of a walk over the keys of this member's shards, see `walk`.
   *  @throws RespError ERR shard id: … */
  walk(piece: { readonly cursor: number; readonly count: number }, visit: VisitKey): number {
    return walk(this.#ownShards(false), piece, visit)
  }

  /** Visits all keys of this member's shards.
   *  @throws RespError ERR shard id: … */
  visitKeys(visit: VisitKey): void {
    for (const shard of this.#ownShards(false)) {
      for (const part of shard.parts) for (const key of part) visit(shard, key)
    }
  }

  /** A key of this member's shards, drawn at random; undefined when there is none.
   *  @throws RespError ERR shard id: … */
  randomKey(): string | undefined {
    const shards = this.#ownShards(false)
    for (let draw = 0; draw < DRAWS_MAX; draw++) {
      const drawn = randomKey(shards)
      if (drawn === undefined) return undefined
      const { shard, key } = drawn
      if (shard.isUnexpired(key)) return shard.nameOf(key).latin1()
    }
    return undefined
  }

  /**
   * Forgets all keys of this member's shards: at once in memory, for ever when the promise ends.
   * @throws RespError ERR shard id: …, before anything is forgotten; or what the volume fails with
   */
  flush(): Promise<void> {
    const shards = this.#ownShards(true)
    const { volumes } = this.#parts
    for (const { id } of shards) volumes.find('REDIS', id)?.checkWritable()
    // ORDER: all of memory in this turn of the event loop; what comes later is of the time after.
    const wipes = shards.map(data => {
      data.clear()
      return this.#shards.get(data.id)!.syncer!.wipe()
    })
    return allOf(wipes)
  }

  /** Refuses a write that would need more memory than allowed.
   *  @param extraBytes what it adds besides words of its request
   *  @throws RespError OOM */
  checkMemory(extraBytes = 0): void {
    const { maxmemory } = this.#parts.config.redis
    const usedBytes = this.#keptBytes + this.transit.usedBytes
    if (usedBytes >= maxmemory || usedBytes + extraBytes > maxmemory) throw outOfMemory()
  }

  /** What data and sessions use. */
  get #keptBytes(): number {
    let usedBytes = this.held.usedBytes
    for (let i = 0; i < this.#data.length; i++) usedBytes += this.#data[i]!.usedBytes
    return usedBytes
  }

  #checkRoute(slot: number, isWrite: boolean): void {
    const id = shardOfSlot(slot, this.#shardCount)
    const route = this.#parts.routes.shard('REDIS', id)
    if (route === undefined || route.primary === '') {
      throw err(`shard id: ${id} not owned by any member yet`)
    }
    if (!route.local) throw new RespError('MOVED', `${slot} ${route.primaryAddress}`)
    this.#checkOwn(route, isWrite)
  }

  /** Shards of which this member is the primary, by id. @throws RespError when one is not usable */
  #ownShards(isWrite: boolean): ShardData[] {
    const own = this.#parts.routes.shards('REDIS').filter(({ local }) => local)
    own.sort((one, other) => one.id - other.id)
    return own.map(route => {
      this.#checkOwn(route, isWrite)
      return this.#shards.get(route.id)!.data
    })
  }

  #checkOwn(route: ShardRoute, isWrite: boolean): void {
    const { id } = route
    if (route.status === 'INOPERABLE') throw err(`shard id: ${id} is in INOPERABLE status`)
    if (isWrite && route.status !== 'READWRITE') {
      throw err(`shard id: ${id} is not in READWRITE status`)
    }
    if (this.#shards.get(id)?.syncer === undefined) throw err(`shard id: ${id} not usable yet`)
  }

  /** Follows the routes, and waits for the loads that this begins, unless they take long. */
  async #followPatiently(): Promise<void> {
    const followed = this.#follow()
    const patienceMs = this.#busySinceMs + LOAD_PATIENCE_MS - performance.now()
    if (patienceMs <= 0) return
    const patience = new AbortController()
    const waited = sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => {
      // The loads came first.
    })
    await Promise.race([followed, waited])
    patience.abort()
  }

  #follow(): Promise<void> {
    if (this.#pending++ === 0) this.#busySinceMs = performance.now()
    this.#following = this.#following
      .then(() => this.#applyRoutes())
      .finally(() => {
        this.#pending--
      })
    return this.#following
  }

  async #applyRoutes(): Promise<void> {
    if (this.#stopped) return
    const routes = this.#parts.routes.shards('REDIS')
    this.#shardCount = routes.length
    this.#admittedSlot = -1
    for (const route of routes) {
      const open = this.#shards.get(route.id)
      if (route.local && open === undefined) await this.#openShard(route)
      else if (!route.local && open !== undefined) this.#dropShard(route.id, open)
      else open?.syncer?.followRoutes()
    }
  }

  /** A shard that cannot be loaded is unusable, loudly, until the routes change again; the others
   *  serve. */
  async #openShard(route: ShardRoute): Promise<void> {
    const { store, volumes, log } = this.#parts
    const volume = volumes.find('REDIS', route.id)
    if (volume === undefined) return
    const data = new ShardData(route.id)
    const open: OpenShard = { data, syncer: undefined }
    this.#keepShard(route.id, open)
    try {
      await loadShard({ store, volume, shard: data })
    } catch (cause) {
      this.#keepShard(route.id, undefined)
      log.error({ err: cause, shard: route.id }, 'loading Redis data failed')
      return
    }
    open.syncer = this.#makeSyncer(data, volume)
    open.syncer.start()
  }

  #makeSyncer(shard: ShardData, volume: Volume): Syncer {
    const { store, standbys, config, log } = this.#parts
    const { period, synchronous_replication: isSynchronous } = config.redis.volume_syncer
    const timeoutMs = config.replication.synchronous_timeout
    return new Syncer({
      shard,
      volume,
      store,
      prefix: this.#prefix,
      periodMs: period,
      synchronous: isSynchronous ? { standbys, timeoutMs } : undefined,
      log,
    })
  }

  #keepShard(id: number, open: OpenShard | undefined): void {
    if (open === undefined) this.#shards.delete(id)
    else this.#shards.set(id, open)
    this.#data = [...this.#shards.values()].map(({ data }) => data)
  }

  /** The new primary has what was persisted; what was not is lost with the ownership. */
  #dropShard(id: number, open: OpenShard): void {
    this.#keepShard(id, undefined)
    this.#admittedSlot = -1
    this.watched.touchSlots(slot => shardOfSlot(slot, this.#shardCount) === id)
    open.syncer?.abandon()
  }

  #sweepAfter(pauseMs: number): void {
    if (this.#stopped) return
    this.#sweeper = setTimeout(() => {
      this.#sweepAfter(this.#sweep() ? SWEEP_INTERVAL_MS : SWEEP_PAUSE_MS)
    }, pauseMs).unref()
  }

  /** Sweeps the shards in turn, until few keys of each had expired. @returns false when time is
   *  up before that */
  #sweep(): boolean {
    const untilMs = performance.now() + SWEEP_LIMIT_MS
    const shards = this.#data
    for (let done = 0; done < shards.length; done++) {
      this.#sweepTurn = (this.#sweepTurn + 1) % shards.length
      const expired = shards[this.#sweepTurn]!.sweep(SWEEP_KEYS, untilMs)
      if (performance.now() >= untilMs) return false
      if (expired >= SWEEP_AGAIN) done = -1
    }
    return true
  }
}

/** A key drawn at random, each with the same chance; undefined when there are none. */
function randomKey(shards: readonly ShardData[]): { shard: ShardData; key: number } | undefined {
  const total = shards.reduce((sum, { size }) => sum + size, 0)
  let at = Math.floor(Math.random() * total)
  for (const shard of shards) {
    for (const part of shard.parts) {
      if (at < part.size) return { shard, key: part.random() }
      at -= part.size
    }
  }
  return undefined
}

/** Ends when all have ended. @throws what the first of those that failed did */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === 'rejected') throw result.reason
  }
}
