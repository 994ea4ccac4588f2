/** Commands on buckets and their documents. */

import { bucketCursors } from './cursors.js'
import { bucketIndex } from './indexes.js'
import { bucketInsert } from './insert.js'
import { bucketCreate, bucketList, bucketLocate, bucketPurge, bucketRemove } from './manage.js'
import {
  bucketAdvance,
  bucketClose,
  bucketDelete,
  bucketExplain,
  bucketQuery,
  bucketUpdate,
  plainQuery,
} from './query.js'

export const bucketCommands = [
  bucketCreate,
  bucketInsert,
  bucketQuery,
  plainQuery,
  bucketExplain,
  bucketUpdate,
  bucketDelete,
  bucketAdvance,
  bucketClose,
  bucketCursors,
  bucketList,
  bucketLocate,
  bucketRemove,
  bucketPurge,
  bucketIndex,
]
