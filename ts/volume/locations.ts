/**
 * Places of bodies inside a volume, packed: four u32 a place, as native code gives and takes them.
 *
 *     [ segment | position | length | crc32c ] [ segment | … ]
 */

export const LOCATION_WORDS = 4

/** N locations in 4·N words. */
export type Locations = Uint32Array

export function locationCount(locations: Locations): number {
  return locations.length / LOCATION_WORDS
}

export const segmentAt = (locations: Locations, i: number): number =>
  locations[i * LOCATION_WORDS] as number

export const positionAt = (locations: Locations, i: number): number =>
  locations[i * LOCATION_WORDS + 1] as number

export const lengthAt = (locations: Locations, i: number): number =>
  locations[i * LOCATION_WORDS + 2] as number

export const checksumAt = (locations: Locations, i: number): number =>
  locations[i * LOCATION_WORDS + 3] as number
