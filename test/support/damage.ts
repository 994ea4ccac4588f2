/** Damage to files of a stopped server. */
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Inverts the first byte of `marker` in the one file below `directory` that holds it.
 *  @throws Error  unless the marker is there exactly once */
export function damage(directory: string, marker: string): void {
  const needle = Buffer.from(marker)
  const found: { path: string; at: number }[] = []
  for (const path of filesBelow(directory)) {
    const bytes = readFileSync(path)
    for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
      found.push({ path, at })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) {
    throw new Error(`the marker is there ${found.length} times: ${marker}`)
  }
  const file = openSync(only.path, 'r+')
  writeSync(file, Buffer.of(needle[0]! ^ 0xff), 0, 1, only.at)
  closeSync(file)
}

/** All files below a directory. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { encoding: 'utf8', recursive: true })
    .map(name => join(directory, name))
    .filter(path => statSync(path).isFile())
}
