/** Explicit transactions, and what a client can learn about versions. */
import type { Command } from '../../server/command.js'
import { begin, rollback } from './begin.js'
import { commit } from './commit.js'
import { getApproximateSize, getReadVersion, snapshotRead, tick } from './versions.js'

export const transactionCommands: readonly Command[] = [
  begin,
  commit,
  rollback,
  getReadVersion,
  getApproximateSize,
  snapshotRead,
  tick,
]
