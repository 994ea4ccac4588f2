/**
 * BUCKET.INDEX: definitions and tasks of indexes, changed in transactions of their own. Each change
 * may be repeated with the same ids, when it is not known whether its commit was applied.
 */

import { err, RespError } from '../../error.js'
import { cardinalityKey } from '../../store/keyspace.js'
import type { Tx } from '../../store/tx.js'
import { type Bucket, changeBucket, changeIndex } from '../buckets.js'
import { type IndexIds, parseIndexSchema } from './index-schema.js'
import {
  type IndexTasks,
  isActive,
  type TaskIds,
  type TaskKind,
  type TaskPlace,
} from './index-tasks.js'
import { type IndexDefinition, PRIMARY_INDEX } from './indexes.js'

/** What a change works on. */
export interface IndexChange {
  readonly place: TaskPlace
  readonly tasks: IndexTasks
  readonly taskIds: TaskIds
}

/** Adds the indexes of a schema, WAITING, each with the task that begins its build.
 *  @throws RespError ERR, see `parseIndexSchema` */
export function createIndexes(
  tx: Tx,
  change: IndexChange,
  { schema, ids }: { schema: Buffer; ids: IndexIds },
): void {
  const { bucket } = change.place
  const { indexes: existing, collation } = bucket
  // Its own id: an earlier attempt was applied although its commit failed.
  if (existing.some(({ id }) => id === ids.at(0))) return
  const made = parseIndexSchema(schema, { existing, collation, status: 'WAITING', ids })
  tx.guardCommit(change.place.namespace)
  changeBucket(tx, bucket, { indexes: [...existing, ...made] })
  for (const [i, { id }] of made.entries())
    addTask(tx, change, { n: i, index: id, kind: 'BOUNDARY' })
}

/** What a command drops: its name, and once that was found, the index itself. */
export interface Drop {
  readonly name: string
  index?: bigint
}

/** Takes an index out of use; a task deletes its entries, and then the index.
 *  @param drop the same one however often the transaction is attempted
 *  @throws RespError ERR (primary index, dropped already, active tasks), NOSUCHINDEX */
export async function dropIndex(tx: Tx, change: IndexChange, drop: Drop): Promise<void> {
  const { bucket, namespace } = change.place
  if (drop.name === PRIMARY_INDEX.name) throw err('Cannot drop the primary index')
  if (drop.index !== undefined && isDropped(bucket, drop.index)) return
  const index = requireIndex(bucket, drop.name)
  if (index.status === 'DROPPED') throw err("Index is already in the 'DROPPED' status")
  const tasks = await change.tasks.list(tx, bucket, index.id)
  if (tasks.some(isActive)) throw err('Index has active tasks')
  tx.guardCommit(namespace)
  changeIndex(tx, bucket, { id: index.id, change: { status: 'DROPPED' } })
  addTask(tx, change, { n: 0, index: index.id, kind: 'DROP' })
  drop.index = index.id
}

/** Is an index dropped, and maybe gone already? */
function isDropped(bucket: Bucket, id: bigint): boolean {
  const index = bucket.indexes.find(candidate => candidate.id === id)
  return index === undefined || index.status === 'DROPPED'
}

/** Has statistics of an index made, in the background.
 *  @throws RespError ERR (not READY, a task is there already), NOSUCHINDEX */
export async function analyzeIndex(tx: Tx, change: IndexChange, name: string): Promise<void> {
  const { bucket, namespace } = change.place
  const index = requireIndex(bucket, name)
  const tasks = await change.tasks.list(tx, bucket, index.id)
  // Its own task: an earlier attempt was applied although its commit failed.
  if (tasks.some(({ id }) => id.equals(change.taskIds.at(0)))) return
  const { status } = index
  if (status !== 'READY') {
    throw err(`Cannot analyze index: index is not in READY state (current=${status})`)
  }
  if (tasks.some(task => task.kind === 'ANALYZE' && isActive(task))) {
    throw err('An analyze task has already exist')
  }
  tx.guardCommit(namespace)
  addTask(tx, change, { n: 0, index: index.id, kind: 'ANALYZE' })
}

/** @throws RespError NOSUCHINDEX */
export function requireIndex(bucket: Bucket, name: string): IndexDefinition {
  const index = allIndexes(bucket).find(candidate => candidate.name === name)
  if (index === undefined) throw new RespError('NOSUCHINDEX', `No such index: '${name}'`)
  return index
}

/** The indexes of a bucket, the primary one first. */
export function allIndexes(bucket: Bucket): IndexDefinition[] {
  return [PRIMARY_INDEX, ...bucket.indexes]
}

/** Entries that an index has now; adds no read conflict. */
export async function cardinality(tx: Tx, bucket: Bucket, index: bigint): Promise<bigint> {
  const counter = await tx.get(cardinalityKey(bucket.data, index), true)
  return counter?.readBigInt64LE() ?? 0n
}

function addTask(
  tx: Tx,
  { place, tasks, taskIds }: IndexChange,
  { n, index, kind }: { n: number; index: bigint; kind: TaskKind },
): void {
  tasks.add(tx, place, { id: taskIds.at(n), index, kind, status: 'WAITING', error: '' })
}
