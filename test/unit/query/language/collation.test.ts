import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  collationFields,
  parseCollation,
  sameCollation,
  shortCollationEntries,
} from '../../../../ts/query/language/collation.js'
import { errorOf } from '../../../support/data-member.js'

const parse = (text: string) => parseCollation(Buffer.from(text))
const short = (text: string) => Object.fromEntries(shortCollationEntries(parse(text)))

test('gives each key that is not there its default', () => {
  assert.equal(collationFields(parse('{"locale": "en"}')), {
    locale: 'en',
    strength: 3,
    case_level: false,
    case_first: 'off',
    numeric_ordering: false,
    alternate: 'non-ignorable',
    backwards: false,
    normalization: false,
    max_variable: 'punct',
  })
})

test('takes every key', () => {
  const fields = {
    locale: 'fr-CA',
    strength: 5,
    case_level: true,
    case_first: 'upper',
    numeric_ordering: true,
    alternate: 'shifted',
    backwards: true,
    normalization: true,
    max_variable: 'space',
  }
  assert.equal(collationFields(parse(JSON.stringify(fields))), fields)
  assert.equal(short(JSON.stringify(fields)), fields)
})

test('shows locale, strength and what is not the default', () => {
  assert.equal(short('{"locale": "de"}'), { locale: 'de', strength: 3 })
  const shifted = '{"alternate": "shifted", "strength": 1, "locale": "de", "backwards": null}'
  assert.equal(short(shifted), { locale: 'de', strength: 1, alternate: 'shifted' })
})

test('two are the same when all nine values are', () => {
  const [a, b] = [parse('{"locale": "en"}'), parse('{"strength": 3, "locale": "en"}')]
  assert.ok(sameCollation(a, b))
  assert.not(sameCollation(a, parse('{"locale": "en", "normalization": true}')))
  assert.not(sameCollation(a, null))
  assert.ok(sameCollation(null, null))
})

const MISTAKES: readonly (readonly [text: string, error: string])[] = [
  ['{"locale": "en", "level": 1}', 'Unknown collation field: level'],
  ['{"level": 1}', 'Unknown collation field: level'],
  ['{"__proto__": 1}', 'Unknown collation field: __proto__'],
  ['{"caseLevel": true}', 'Unknown collation field: caseLevel'],
  ['{"locale": 5}', 'Invalid collation specification'],
  ['{"locale": "en", "strength": "2"}', 'Invalid collation specification'],
  ['{"locale": "en", "strength": 2.0}', 'Invalid collation specification'],
  ['{"locale": "en", "backwards": 1}', 'Invalid collation specification'],
  ['{"locale": {"x": 1}}', 'Invalid collation specification'],
  ['{"locale": "en"', 'Invalid collation specification'],
  ['[]', 'Invalid collation specification'],
  ['"en"', 'Invalid collation specification'],
  ['', 'Invalid collation specification'],
  ['{}', "Collation 'locale' is required"],
  ['{"locale": null}', "Collation 'locale' is required"],
  ['{"locale": " "}', "Collation 'locale' is required"],
  ['{"strength": 9}', "Collation 'locale' is required"],
  ['{"locale": "e"}', 'Invalid collation locale: e'],
  ['{"locale": "12"}', 'Invalid collation locale: 12'],
  ['{"locale": "en", "strength": 0}', "Collation 'strength' must be between 1 and 5, got: 0"],
  ['{"locale": "en", "strength": 6}', "Collation 'strength' must be between 1 and 5, got: 6"],
  [
    '{"locale": "en", "strength": 4294967296}',
    "Collation 'strength' must be between 1 and 5, got: 4294967296",
  ],
  [
    '{"locale": "en", "case_first": "Upper"}',
    "Collation 'case_first' must be one of 'upper', 'lower', 'off', got: Upper",
  ],
  [
    '{"locale": "en", "alternate": ""}',
    "Collation 'alternate' must be one of 'non-ignorable', 'shifted', got: ",
  ],
  [
    '{"locale": "en", "max_variable": "symbol"}',
    "Collation 'max_variable' must be one of 'punct', 'space', got: symbol",
  ],
]

for (const [text, error] of MISTAKES) {
  test(`refuses ${text}`, async () => {
    assert.is(await errorOf(() => parse(text)), `ERR ${error}`)
  })
}

test('refuses a locale that nobody has strings ordered for', () => {
  for (const locale of ['xx', 'xx-Foo', 'klingon']) {
    const text = Buffer.from(JSON.stringify({ locale }))
    assert.throws(() => parseCollation(text), new RegExp(`Invalid collation locale: ${locale}`))
  }
})

test.run()
