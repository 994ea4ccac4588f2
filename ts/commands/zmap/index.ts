/** ZMap: one ordered map of bytes to bytes in each namespace. */
import type { Command } from '../../server/command.js'
import { zdel, zget, zset } from './entry.js'
import { zgetrange } from './range.js'

export const zmapCommands: readonly Command[] = [zset, zget, zdel, zgetrange]
