/** Arguments that are JSON whatever the session says: collations and index schemas. */

import { BSONError, type Document, deserialize } from 'bson'
import { err } from '../../error.js'
import { addon, nativeReason } from '../../native.js'

/** Decodes a JSON object, keeping every BSON type apart. @throws RespError ERR <parser text> */
export function decodeJson(text: Buffer): Document {
  try {
    return deserialize(addon.jsonToBson(text), {
      promoteValues: false,
      promoteLongs: false,
      promoteBuffers: false,
      bsonRegExp: true,
    })
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason === undefined && !(cause instanceof BSONError)) throw cause
    throw err(reason?.message ?? 'Invalid JSON', { cause })
  }
}

/** Is a decoded value an object, rather than a value of a BSON type? */
export function isObject(value: unknown): value is Document {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  )
}
