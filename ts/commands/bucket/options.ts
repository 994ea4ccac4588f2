/** Options of BUCKET.QUERY and its kin, in any order; of a repeated one the last counts. */

import { err } from '../../error.js'

export interface QueryOptions {
  /** 0 = the session's limit. */
  readonly limit: number
}

/** Options that exist, but not for the command at hand. */
const OTHER_OPTIONS: ReadonlySet<string> = new Set([
  'SORTBY',
  'RESULTSORT',
  'PROJECTION',
  'COLLATION',
])

const INT32 = /^-?\d{1,10}$/
const INT32_MAX = 2_147_483_647

/** @throws RespError ERR Unknown '<WORD>' argument, ERR '<WORD>' is an unsupported argument, … */
export function parseQueryOptions(words: readonly Buffer[]): QueryOptions {
  let limit = 0
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!.toString('utf8').toUpperCase()
    if (word === 'LIMIT') limit = parseLimit(words[++i])
    else if (OTHER_OPTIONS.has(word)) throw err(`'${word}' is an unsupported argument`)
    else throw err(`Unknown '${word}' argument`)
  }
  return { limit }
}

function parseLimit(word: Buffer | undefined): number {
  if (word === undefined) throw err('LIMIT argument must be followed by a positive integer')
  const text = word.toString('latin1')
  const value = Number(text)
  if (!INT32.test(text) || Math.abs(value) > INT32_MAX) {
    throw err('value is not a int or out of range')
  }
  if (value < 0) throw err('LIMIT argument must be a non-negative integer')
  return value
}
