/** ZMap: one ordered map of bytes to bytes in each namespace. */
import type { Command } from '../../server/command.js'
import { zgetD128, zincD128, zsetD128 } from './d128.js'
import { zdel, zget, zset } from './entry.js'
import { zgetF64, zincF64, zsetF64 } from './f64.js'
import { zgetI64, zincI64, zsetI64 } from './i64.js'
import { zmutate } from './mutate.js'
import { zgetkey } from './nearest.js'
import { zdelrange, zgetrange, zgetrangesize } from './range.js'
import { zwatch } from './watch.js'

export const zmapCommands: readonly Command[] = [
  zset,
  zget,
  zdel,
  zdelrange,
  zgetrange,
  zgetkey,
  zgetrangesize,
  zmutate,
  zwatch,
  zsetI64,
  zincI64,
  zgetI64,
  zsetF64,
  zincF64,
  zgetF64,
  zsetD128,
  zincD128,
  zgetD128,
]
