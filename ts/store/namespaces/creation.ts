/**
 * NAMESPACE CREATE. Requests that come while a transaction is under way are made together in the
 * next one: each gets the answer that it would get if they came one after the other.
 */

import { err, type RespError } from '../../error.js'
import { NamespaceField, namespaceFieldKey, tombstoneKey, tombstonesRange } from '../keyspace.js'
import type { Store } from '../store.js'
import { yieldTurn } from '../turn.js'
import type { Tx } from '../tx.js'
import type { Changes } from './changes.js'
import { alreadyExists, beingRemoved, tombstoneUnseen } from './errors.js'
import { markNumber } from './mark.js'
import { NAMESPACE_DEPTH_MAX, parsePath, pathOf } from './path.js'
import { type Found, type NewNamespace, newUuid, type Tree } from './tree.js'

/** Requests of one transaction. */
const BATCH_MAX = 256
/** Requests that are looked up at the same time. */
const LOOKED_UP_AT_ONCE = 32

interface Request {
  readonly path: string
  readonly segments: readonly string[]
  /** Of the namespace: an attempt that was applied unnoticed is known by it. */
  readonly uuid: Buffer
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export interface CreationParts {
  readonly store: Store
  readonly tree: Tree
  readonly changes: Changes
}

export class Creation {
  readonly #parts: CreationParts
  readonly #queue: Request[] = []
  #isRunning = false

  constructor(parts: CreationParts) {
    this.#parts = parts
  }

  /** @throws RespError ERR (path), BARRIERNOTSATISFIED, NAMESPACEBEINGREMOVED,
   *          NAMESPACEALREADYEXISTS */
  create(path: string): Promise<void> {
    const segments = parsePath(path)
    return new Promise((resolve, reject) => {
      this.#queue.push({ path, segments, uuid: newUuid(), resolve, reject })
      if (!this.#isRunning) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#queue.length > 0) await this.#answer(this.#queue.splice(0, BATCH_MAX))
    this.#isRunning = false
  }

  async #answer(batch: readonly Request[]): Promise<void> {
    try {
      const refusals = await this.#parts.store.transact(tx => this.#attempt(tx, batch), {
        retries: Number.POSITIVE_INFINITY,
        idempotent: true,
      })
      for (const [i, request] of batch.entries()) {
        const refusal = refusals[i]
        if (refusal === undefined) request.resolve()
        else request.reject(refusal)
      }
      if (refusals.some(isUnseen)) void this.#parts.changes.remind()
    } catch (thrown) {
      const [only] = batch
      if (batch.length === 1) only!.reject(thrown)
      // It may concern one of them only: a name that is too long for a key.
      else for (const request of batch) await this.#answer([request])
    }
  }

  async #attempt(tx: Tx, batch: readonly Request[]): Promise<(RespError | undefined)[]> {
    const { tree, changes } = this.#parts
    const { begin, end } = tombstonesRange(tree.root)
    const hasTombstones = (await tx.getRange(begin, end, { limit: 1 })).count > 0
    const plan = new Plan(tree)
    const refusals: (RespError | undefined)[] = []
    for (let from = 0; from < batch.length; from += LOOKED_UP_AT_ONCE) {
      const requests = batch.slice(from, from + LOOKED_UP_AT_ONCE)
      const unseen = await Promise.all(
        requests.map(({ segments }) =>
          hasTombstones ? clearTombstones(tx, { tree, changes, segments }) : undefined,
        ),
      )
      const found = await Promise.all(requests.map(request => this.#find(tx, request)))
      for (const [i, request] of requests.entries()) {
        const path = unseen[i]
        const refusal = path === undefined ? plan.add(request, found[i]!) : tombstoneUnseen(path)
        refusals.push(refusal)
      }
      await yieldTurn()
    }
    await tree.make(tx, plan.wanted)
    return refusals
  }

  /** What there is of the path, as it was before this attempt. */
  async #find(tx: Tx, { segments }: Request): Promise<FoundWithUuid> {
    const found = await this.#parts.tree.find(tx, segments)
    const prefix = found.prefixes[segments.length - 1]
    if (prefix === undefined) return found
    return { ...found, uuid: await tx.get(namespaceFieldKey(prefix, NamespaceField.uuid)) }
  }
}

interface FoundWithUuid extends Found {
  /** Of the namespace itself, when it exists. */
  readonly uuid?: Buffer | undefined
}

/** What the requests of a batch make, those before seen by those behind. */
class Plan {
  /** In an order in which a parent comes before its children. */
  readonly wanted: NewNamespace[] = []
  readonly #tree: Tree
  readonly #byPath = new Map<string, NewNamespace>()

  constructor(tree: Tree) {
    this.#tree = tree
  }

  /** @returns why the request is refused */
  add({ path, segments, uuid }: Request, found: FoundWithUuid): RespError | undefined {
    if (found.uuid?.equals(uuid)) return undefined
    if (segments.length > NAMESPACE_DEPTH_MAX) {
      return err(`Namespace depth exceeds maximum allowed depth of ${NAMESPACE_DEPTH_MAX}`)
    }
    if (found.removedDepth > 0) return beingRemoved(pathOf(segments, found.removedDepth))
    const depth = found.prefixes.length
    if (depth === segments.length || this.#byPath.has(path)) return alreadyExists(path)
    let parent: Buffer | NewNamespace = found.prefixes[depth - 1] ?? this.#tree.root
    for (let i = depth; i < segments.length; i++) {
      const isLast = i === segments.length - 1
      parent = this.#want(pathOf(segments, i + 1), {
        name: segments[i]!,
        parent,
        uuid: isLast ? uuid : newUuid(),
      })
    }
    return undefined
  }

  #want(path: string, namespace: NewNamespace): NewNamespace {
    const known = this.#byPath.get(path)
    if (known !== undefined) return known
    this.#byPath.set(path, namespace)
    this.wanted.push(namespace)
    return namespace
  }
}

/**
 * Deletes the tombstones on a path that is about to be used again, once all members have seen them.
 * @returns the path of one that some member has not seen
 */
export async function clearTombstones(
  tx: Tx,
  where: { tree: Tree; changes: Changes; segments: readonly string[] },
): Promise<string | undefined> {
  const { tree, changes, segments } = where
  for (let depth = 1; depth <= Math.min(segments.length, NAMESPACE_DEPTH_MAX); depth++) {
    const path = pathOf(segments, depth)
    const key = tombstoneKey(tree.root, path)
    const mark = await tx.get(key)
    if (mark === undefined) continue
    if (!(await changes.isSeen(tx, markNumber(mark)))) return path
    tx.clear(key)
  }
  return undefined
}

function isUnseen(refusal: RespError | undefined): boolean {
  return refusal?.prefix === 'BARRIERNOTSATISFIED'
}
