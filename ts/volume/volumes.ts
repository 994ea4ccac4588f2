/**
 * The volumes that are open on this member: one for each shard of which it is the primary. Follows
 * the routes: a shard that comes is opened, one that goes is closed, and one whose ownership epoch
 * moved is opened again.
 */

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import { err } from '../error.js'
import { addon, type ScanContext } from '../native.js'
import { openClusterDirectory } from '../store/directory.js'
import type { Store } from '../store/store.js'
import { parseVolumeName, volumeName } from './name.js'
import type { ShardKind, ShardRoute, ShardRoutes } from './shard-routes.js'
import { Volume } from './volume.js'

export interface VolumesParts {
  readonly store: Store
  readonly routes: ShardRoutes
  /** The member's own directory. */
  readonly memberDirectory: string
  readonly config: Config
  readonly log: Logger
}

export class Volumes {
  /** The document volumes by shard, as native scans want them. */
  readonly scanContext: ScanContext = new addon.ScanContext()
  readonly #parts: VolumesParts
  readonly #open = new Map<string, Volume>()
  #following: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: VolumesParts) {
    this.#parts = parts
  }

  /** Opens what the routes say now, and follows them from now on. */
  async start(): Promise<void> {
    this.#parts.routes.onChange(() => this.#follow())
    await this.#follow()
  }

  find(kind: ShardKind, shard: number): Volume | undefined {
    return this.#open.get(volumeName(kind, shard))
  }

  /** Names of the open volumes, bytewise ascending. */
  names(): string[] {
    return [...this.#open.keys()].sort()
  }

  /** @throws RespError malformed name, or ERR Volume: '<v>' is not open */
  require(name: string): Volume {
    const { kind, shard } = parseVolumeName(name)
    const volume = this.find(kind, shard)
    if (volume === undefined) throw err(`Volume: '${name}' is not open`)
    return volume
  }

  /** Flushes and closes all volumes. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#following
    for (const name of this.names()) await this.#close(name)
  }

  #follow(): Promise<void> {
    this.#following = this.#following.then(() => this.#applyRoutes())
    return this.#following
  }

  async #applyRoutes(): Promise<void> {
    if (this.#closed) return
    const { routes } = this.#parts
    const all = [...routes.shards('BUCKET'), ...routes.shards('REDIS')]
    for (const route of all) {
      const name = volumeName(route.kind, route.id)
      try {
        await this.#applyRoute(name, route)
      } catch (cause) {
        // It is left out, or stays as it was, until the routes change again; the others serve.
        this.#parts.log.error({ err: cause, volume: name }, 'a volume could not be opened')
      }
    }
  }

  async #applyRoute(name: string, route: ShardRoute): Promise<void> {
    const volume = this.#open.get(name)
    if (!route.local) {
      if (volume !== undefined) await this.#close(name)
    } else if (volume === undefined) {
      await this.#openVolume(name, route)
    } else if (route.epoch > volume.epoch && !(await volume.open(route.epoch))) {
      this.#reloadRoutes()
    }
  }

  /** ORDER: not awaited, because the routes wait for their listeners. */
  #reloadRoutes(): void {
    const { routes, log } = this.#parts
    routes.reload().catch(cause => log.warn({ err: cause }, 'loading the routes failed'))
  }

  async #openVolume(name: string, route: ShardRoute): Promise<void> {
    const { store, config } = this.#parts
    const kind = route.kind.toLowerCase()
    const settings = route.kind === 'BUCKET' ? config.bucket.volume : config.redis.volume
    const shards = join(this.#parts.memberDirectory, kind, 'shards')
    const directory = join(shards, String(route.id), 'segments')
    const path = ['volumes', kind, String(route.id)] as const
    const prefix = await openClusterDirectory(store, config.cluster.name, ...path)
    const segmentSizeBytes = settings.segment_size
    const handle = addon.VolumeHandle.open(directory, {
      segmentSize: segmentSizeBytes,
      preallocateBytes: config.volume.preallocate_bytes,
    })
    const parts = { ...this.#parts, prefix, handle, directory, segmentSizeBytes }
    const volume = new Volume(route, parts)
    let isOpen = false
    try {
      isOpen = await volume.open(route.epoch)
    } finally {
      if (!isOpen) handle.close()
    }
    if (!isOpen) return this.#reloadRoutes()
    this.#open.set(name, volume)
    if (route.kind === 'BUCKET') this.scanContext.setVolume(route.id, handle)
  }

  async #close(name: string): Promise<void> {
    const volume = this.#open.get(name)
    if (volume === undefined) return
    this.#open.delete(name)
    if (name.startsWith('bucket-')) this.scanContext.removeVolume(volume.shard)
    try {
      await volume.close()
    } catch (cause) {
      this.#parts.log.error({ err: cause, volume: name }, 'a volume could not be flushed')
    }
  }
}
