/** `npm run docs`: writes the reference pages, and removes those of commands that are gone. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../repository.js'
import { makeReference, REFERENCE_FOLDER } from './reference.js'

/** @returns exit code */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.length > 0) {
    console.error('npm run docs takes no arguments')
    return 1
  }
  const pages = await makeReference()
  const folder = join(repositoryRoot, REFERENCE_FOLDER)
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) if (!pages.has(name)) rmSync(join(folder, name))
  for (const [name, page] of pages) writeFileSync(join(folder, name), page)
  console.log(`${pages.size} pages in ${REFERENCE_FOLDER}`)
  return 0
}
