/** No filter, however odd, gets anything but a tree or an error that clients may see. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../ts/error.js'
import { addon } from '../../ts/native.js'
import { parseFilter } from '../../ts/query/language/parse.js'
import { compileProgram } from '../../ts/query/language/program.js'
import { planQuery } from '../../ts/query/planner/plan-query.js'
import { shapeOf } from '../../ts/query/planner/shape.js'
import { property } from '../support/budget.js'

const names = fc.constantFrom(
  ...['$and', '$or', '$nor', '$not', '$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin'],
  ...['$all', '$size', '$exists', '$regex', '$options', '$elemMatch', '$x', '', '.', 'a', 'a.b'],
  ...['_id', '$oid', '$date', '$numberLong', '$numberDecimal', '$binary', '$timestamp', '$uuid'],
  ...['__proto__', 'toString', '_bsontype', '$ref', '$id', '$code', '$minKey', '$undefined'],
)
const leaves = fc.oneof(
  fc.constantFrom<unknown>(null, true, 1, -1, 1.5, 2 ** 40, 'x', '', '507f1f77bcf86cd799439011'),
  fc.constantFrom<unknown>(
    '(',
    '[a-',
    'a{1001}',
    '\\1',
    '(?=x)',
    'i',
    '2026-01-01T00:00:00Z',
    '\0',
  ),
  fc.constantFrom<unknown>('9223372036854775807', '-9223372036854775808', 'NaN', '1e6145'),
)
const trees = fc.letrec<{ any: unknown }>(tie => ({
  any: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaves,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(names, tie('any'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).any
const documents = fc.dictionary(names, trees, { maxKeys: 3, noNullPrototype: true })

/** The package's own serializer refuses some of the names. */
function asBson(document: object): Buffer {
  try {
    return addon.jsonToBson(Buffer.from(JSON.stringify(document)))
  } catch {
    return Buffer.from('0500000000', 'hex')
  }
}

function accepts(argument: Buffer): boolean {
  try {
    const filter = parseFilter(argument)
    const shape = shapeOf(filter, { sortField: null, collation: null })
    planQuery(shape.filter, {
      indexes: [],
      bucketCollation: null,
      collation: null,
      sortField: null,
    })
    compileProgram(filter)
    return true
  } catch (thrown) {
    if (!(thrown instanceof RespError)) throw thrown
    return false
  }
}

test('odd filters are read or refused', () => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(documents, document => {
      if (accepts(Buffer.from(JSON.stringify(document)))) accepted++
      else refused++
    }),
    property('odd filters'),
  )
  assert.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`)
})

test('damaged BSON is read or refused', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(documents, damage, (document, changes) => {
      const bytes = asBson(document)
      // The length and the last byte stay, so that it is taken for BSON.
      for (const [at, byte] of changes) {
        if (bytes.length > 5) bytes[4 + (at % (bytes.length - 5))] = byte
      }
      accepts(bytes)
    }),
    property('odd filters'),
  )
})

test('garbage is read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      accepts(Buffer.from(bytes))
    }),
    property('odd filters'),
  )
})

test('a deeply nested filter is read or refused', () => {
  for (const depth of [50, 90, 101, 5_000, 100_000]) {
    accepts(Buffer.from(`${'{"$not":'.repeat(depth)}{}${'}'.repeat(depth)}`))
    accepts(Buffer.from(`${'{"a":{"$elemMatch":'.repeat(depth)}{}${'}}'.repeat(depth)}`))
    accepts(Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`))
  }
})

test.run()
