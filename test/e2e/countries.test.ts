/** Real data with arrays in arrays. The answers expected are worked out here, from the data itself,
 *  with the methods of arrays. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { type Country, groupByCountry, loadCities } from '../support/dataset.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('countries')

const countries = groupByCountry(loadCities({ every: 10 }))

const citiesOf = ({ regions }: Country) => regions.flatMap(({ cities }) => cities)
const [france] = countries.filter(({ code }) => code === 'FR')

type Question = [filter: object, matches: (country: Country) => boolean]

const QUESTIONS: readonly Question[] = [
  [{}, () => true],
  [{ code: 'FR' }, ({ code }) => code === 'FR'],
  [{ count: { $gte: 100, $lt: 300 } }, ({ count }) => count >= 100 && count < 300],
  [{ hemispheres: 'S' }, ({ hemispheres }) => hemispheres.includes('S')],
  [{ hemispheres: { $ne: 'N' } }, ({ hemispheres }) => !hemispheres.includes('N')],
  [{ hemispheres: { $all: ['S', 'N'] } }, ({ hemispheres }) => hemispheres.length === 2],
  [{ hemispheres: { $size: 1 } }, ({ hemispheres }) => hemispheres.length === 1],
  // An array equals elements only, and a value of another type is not "not equal".
  [{ hemispheres: ['N', 'S'] }, () => false],
  [{ hemispheres: { $ne: 5 } }, () => true],
  [{ regions: { $size: 1 } }, ({ regions }) => regions.length === 1],
  [{ 'regions.0.code': '01' }, ({ regions }) => regions[0]?.code === '01'],
  [{ 'regions.code': '33' }, ({ regions }) => regions.some(({ code }) => code === '33')],
  [{ 'regions.9.code': { $exists: true } }, ({ regions }) => regions.length > 9],
  [{ 'regions.name': { $exists: true } }, () => false],
  [
    { 'regions.cities.name': { $regex: '^San ' } },
    country => citiesOf(country).some(({ name }) => name.startsWith('San ')),
  ],
  [
    { 'regions.cities.name': { $in: ['London', 'Springfield', 'Victoria'] } },
    country =>
      citiesOf(country).some(({ name }) => ['London', 'Springfield', 'Victoria'].includes(name)),
  ],
  [
    { 'regions.cities.location.1': { $gt: 65 } },
    country => citiesOf(country).some(({ location }) => location[1] > 65),
  ],
  // Each condition may be met by another city …
  [
    { 'regions.cities.location.1': { $gt: 45, $lt: 25 } },
    country =>
      citiesOf(country).some(({ location }) => location[1] > 45) &&
      citiesOf(country).some(({ location }) => location[1] < 25),
  ],
  // … but for those of $elemMatch.
  [
    { 'regions.cities': { $elemMatch: { name: { $regex: 'a$' }, 'location.1': { $lt: -35 } } } },
    country =>
      citiesOf(country).some(({ name, location }) => name.endsWith('a') && location[1] < -35),
  ],
  [
    {
      regions: {
        $elemMatch: { code: '05', cities: { $elemMatch: { 'location.0': { $gt: 30 } } } },
      },
    },
    ({ regions }) =>
      regions.some(
        ({ code, cities }) => code === '05' && cities.some(({ location }) => location[0] > 30),
      ),
  ],
  [
    { regions: { $elemMatch: { cities: { $size: 30 }, code: { $nin: ['01', '02'] } } } },
    ({ regions }) =>
      regions.some(({ code, cities }) => cities.length === 30 && !['01', '02'].includes(code)),
  ],
  [{ 'bounds.0.1': { $lte: -40 } }, ({ bounds }) => bounds[0][1] <= -40],
  [{ 'bounds.1.0': { $gte: 0, $lte: 1 } }, ({ bounds }) => bounds[1][0] >= 0 && bounds[1][0] <= 1],
  [{ bounds: france!.bounds[0] }, ({ code }) => code === 'FR'],
  [{ bounds: { $in: france!.bounds } }, ({ code }) => code === 'FR'],
  [{ bounds: { $elemMatch: { $gt: 170 } } }, ({ bounds }) => bounds.flat().some(one => one > 170)],
  [{ bounds: { $gt: 0 } }, () => false],
  [{ extent: null }, ({ count }) => count === 1],
  [{ extent: { $ne: null }, count: { $lt: 4 } }, ({ count }) => count > 1 && count < 4],
  [{ extent: { $not: { $lt: 30 } } }, ({ extent }) => extent === null || extent >= 30],
  [{ initials: { $nin: ['B', 'S'] } }, ({ initials }) => !/[BS]/.test(initials.join(''))],
  [
    { initials: { $elemMatch: { $gt: 'W', $lt: 'Y' } } },
    ({ initials }) => initials.some(letter => letter > 'W' && letter < 'Y'),
  ],
  [
    { initials: { $all: ['Q', 'X', 'Z'] } },
    c => ['Q', 'X', 'Z'].every(l => c.initials.includes(l)),
  ],
  [
    { initials: { $in: [{ $regularExpression: { pattern: '^[ÉÅŞ]', options: '' } }] } },
    c => c.initials.some(letter => 'ÉÅŞ'.includes(letter)),
  ],
  [
    { $or: [{ 'regions.cities.name': 'Victoria' }, { count: { $gt: 500 } }], hemispheres: 'S' },
    country =>
      country.hemispheres.includes('S') &&
      (country.count > 500 || citiesOf(country).some(({ name }) => name === 'Victoria')),
  ],
  [
    { $nor: [{ hemispheres: 'N' }, { count: { $lt: 20 } }] },
    ({ hemispheres, count }) => !hemispheres.includes('N') && count >= 20,
  ],
]

const INDEXES = {
  count: { bson_type: 'int32' },
  code: { bson_type: 'string', unique: true },
  extent: { bson_type: 'double' },
  hemispheres: { bson_type: 'string', multi_key: true },
  initials: { bson_type: 'string', multi_key: true },
  'bounds.0.1': { bson_type: 'double' },
  'regions.code': { bson_type: 'string', multi_key: true },
  'regions.cities.name': { bson_type: 'string', multi_key: true },
  'regions.cities.location.1': { bson_type: 'double', multi_key: true },
  $compound: [
    {
      name: 'hemispheres-count',
      fields: [
        { selector: 'hemispheres', bson_type: 'string', multi_key: true },
        { selector: 'count', bson_type: 'int32' },
      ],
    },
  ],
}

/** Makes a bucket of all countries. */
async function fill(bucket: string, ...options: string[]): Promise<void> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', bucket, ...options)
  const documents = countries.map(country => JSON.stringify(country))
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
}

const codesOf = (found: readonly unknown[]) => found.map(one => (one as Country).code)

test('come back whole and in order', async () => {
  assert.ok(countries.length > 200)
  await fill('countries')
  const client = await useJson(await server.connect(3))
  const found = await queryAll(client, 'countries', '{}', 'LIMIT', '30')
  const stored = found.map(({ _id, ...country }) => country)
  // Not assert.equal, which would print megabytes.
  const different = stored.findIndex(
    (one, i) => JSON.stringify(one) !== JSON.stringify(countries[i]),
  )
  assert.is(different, -1, JSON.stringify(stored[different] ?? {}).slice(0, 500))
  assert.is(stored.length, countries.length)
})

test('are found by what is in their arrays', async () => {
  const client = await useJson(await server.connect(3))
  for (const [filter, matches] of QUESTIONS) {
    const text = JSON.stringify(filter)
    const expected = codesOf(countries.filter(matches))
    for (const limit of ['7', '1000']) {
      assert.equal(
        codesOf(await queryAll(client, 'countries', text, 'LIMIT', limit)),
        expected,
        text,
      )
    }
  }
})

test('are found in the same way through indexes', async () => {
  const client = await useJson(await server.connect(3))
  await fill('indexed', 'INDEXES', JSON.stringify(INDEXES))
  for (const [filter, matches] of QUESTIONS) {
    const text = JSON.stringify(filter)
    const found = codesOf(await queryAll(client, 'indexed', text, 'LIMIT', '7'))
    assert.equal(found.sort(), codesOf(countries.filter(matches)), text)
  }
})

test('have an answer to all questions that are not about what never matches', async () => {
  const unanswered = QUESTIONS.filter(([, matches]) => !countries.some(matches))
  const texts = unanswered.map(([filter]) => JSON.stringify(filter))
  assert.equal(texts, [
    '{"hemispheres":["N","S"]}',
    '{"regions.name":{"$exists":true}}',
    '{"bounds":{"$gt":0}}',
  ])
})

test.run()
