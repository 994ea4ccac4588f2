/** Commands on buckets and their documents. */

import { bucketInsert } from './insert.js'
import { bucketCreate, bucketList } from './manage.js'
import { bucketAdvance, bucketClose, bucketDelete, bucketQuery } from './query.js'

export const bucketCommands = [
  bucketCreate,
  bucketInsert,
  bucketQuery,
  bucketDelete,
  bucketAdvance,
  bucketClose,
  bucketList,
]
