/** Commands on buckets and their documents. */

import { bucketCursors } from './cursors.js'
import { bucketIndex } from './indexes.js'
import { bucketInsert } from './insert.js'
import { bucketCreate, bucketList, bucketLocate, bucketPurge, bucketRemove } from './manage.js'
import { bucketAdvance, bucketClose, bucketDelete, bucketQuery, bucketUpdate } from './query.js'

export const bucketCommands = [
  bucketCreate,
  bucketInsert,
  bucketQuery,
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
