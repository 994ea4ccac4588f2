/** Real data, loaded with the loader and asked through client libraries. The answers expected are
 *  worked out here, from the file itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type City, loadCities, toJsonLines } from '../support/dataset.js'
import { DRIVERS, type Driver, valuesOf } from '../support/drivers.js'
import { runLoader } from '../support/loader.js'
import { serverSuite } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'

const { server, test } = serverSuite('cities')

const NAMESPACE = 'world.places'
const cities = loadCities({ every: 8 })

type Query = [filter: object, matches: (city: City) => boolean]

const QUERIES: readonly Query[] = [
  [{ country: 'FR' }, ({ country }) => country === 'FR'],
  [{ name: 'Paris' }, ({ name }) => name === 'Paris'],
  [{ name: 'São Paulo' }, ({ name }) => name === 'São Paulo'],
  [{ lat: { $gt: 60 } }, ({ lat }) => lat > 60],
  [
    { lat: { $gte: -10, $lt: 10 }, lng: { $gte: -80, $lt: -60 } },
    ({ lat, lng }) => lat >= -10 && lat < 10 && lng >= -80 && lng < -60,
  ],
  [{ country: { $in: ['IS', 'MT', 'LU'] } }, ({ country }) => ['IS', 'MT', 'LU'].includes(country)],
  [
    { country: { $nin: ['US', 'CN', 'IN', 'DE', 'FR', 'IT'] }, lat: { $lte: -40 } },
    ({ country, lat }) => !['US', 'CN', 'IN', 'DE', 'FR', 'IT'].includes(country) && lat <= -40,
  ],
  [
    { $or: [{ country: 'JP' }, { name: { $regex: '^Z' } }] },
    ({ country, name }) => country === 'JP' || name.startsWith('Z'),
  ],
  [
    { $nor: [{ lat: { $gt: -30 } }, { country: 'AU' }] },
    ({ lat, country }) => !(lat > -30) && country !== 'AU',
  ],
  [
    { $and: [{ country: 'ES' }, { $not: { admin1: '51' } }] },
    ({ country, admin1 }) => country === 'ES' && admin1 !== '51',
  ],
  [
    { admin2: { $ne: '' }, country: 'GB' },
    ({ admin2, country }) => admin2 !== '' && country === 'GB',
  ],
  [
    { name: { $regex: 'ville$', $options: 'i' }, country: { $eq: 'US' } },
    ({ name, country }) => /ville$/i.test(name) && country === 'US',
  ],
  [{ country: 'XX' }, () => false],
]

async function prepare(driver: Driver): Promise<void> {
  await driver.run('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
  await driver.run('NAMESPACE', 'USE', NAMESPACE)
}

/** All matches in the order of their ids, which the loader gives in the order of the lines. */
async function ask(driver: Driver, filter: object, limit: number): Promise<City[]> {
  const found: City[] = []
  const words = ['BUCKET.QUERY', 'cities', JSON.stringify(filter), 'LIMIT', String(limit)]
  for (let reply = await driver.run(...words); ; ) {
    const [cursor, entries] = valuesOf(reply)
    for (const entry of entries as string[]) {
      const { _id, ...city } = JSON.parse(entry)
      assert.match(_id, /^[0-9a-f]{24}$/)
      found.push(city)
    }
    if ((entries as string[]).length === 0) return found
    reply = await driver.run('BUCKET.ADVANCE', 'QUERY', String(cursor))
  }
}

test('are loaded from a file of real data', async () => {
  assert.ok(cities.length >= 20_000)
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-cities-'))
  try {
    const file = join(directory, 'cities.jsonl')
    writeFileSync(file, toJsonLines(cities))
    const port = String(server.clientPort)
    const target = ['--bucket', 'cities', '--namespace', NAMESPACE, '--port', port]
    const { code, output } = await runLoader(file, ...target)
    assert.is(code, 0, output)
    assert.match(output, `${cities.length} inserted, 0 already there`)
    const again = await runLoader(file, ...target)
    assert.match(again.output, `0 inserted, ${cities.length} already there`)
  } finally {
    rmSync(directory, { recursive: true })
  }
  assert.is((await describeVolume(server, 'bucket-shard-0')).cardinality, cities.length)
})

test('come back whole and in order', async () => {
  for (const connect of DRIVERS) {
    const driver = await connect(server.clientPort)
    await prepare(driver)
    const found = await ask(driver, {}, 4_000)
    await driver.close()
    assert.is(found.length, cities.length)
    const different = found.findIndex(
      (city, i) => JSON.stringify(city) !== JSON.stringify(cities[i]),
    )
    assert.is(different, -1, JSON.stringify([found[different], cities[different]]))
  }
})

test('are found by filters as in the file', async () => {
  for (const connect of DRIVERS) {
    const driver = await connect(server.clientPort)
    await prepare(driver)
    for (const [filter, matches] of QUERIES) {
      const expected = cities.filter(matches)
      assert.equal(await ask(driver, filter, 500), expected, JSON.stringify(filter))
    }
    await driver.close()
  }
})

test('are still there after a restart', async () => {
  await server.restart()
  const driver = await DRIVERS[0]!(server.clientPort)
  await prepare(driver)
  const [filter, matches] = QUERIES[0]!
  assert.equal(await ask(driver, filter, 9_999), cities.filter(matches))
  await driver.close()
})

test.run()
