/** Options of BUCKET.QUERY and its kin, in any order; of a repeated one the last counts. */

import { err } from '../../error.js'
import { type Collation, parseCollation } from '../../query/language/collation.js'
import type { QueryOptions } from '../../query/new-cursor.js'
import type { Sort } from '../../query/query-plans.js'
import { parseInt32 } from '../../resp/numbers.js'

const OPTIONS = ['LIMIT', 'SORTBY', 'RESULTSORT', 'PROJECTION', 'COLLATION', 'ANALYZE'] as const
export type OptionName = (typeof OPTIONS)[number]

/** Of QUERY. */
export const QUERY_OPTIONS: readonly OptionName[] = OPTIONS.filter(name => name !== 'ANALYZE')
/** Of EXPLAIN. */
export const EXPLAIN_OPTIONS: readonly OptionName[] = OPTIONS
export const QUERY_SYNTAX =
  '[SORTBY field ASC|DESC] [RESULTSORT field ASC|DESC] [PROJECTION spec] [LIMIT n] ' +
  '[COLLATION json]'

/** Words of a command that were not read yet. */
class Words {
  readonly #words: readonly Buffer[]
  #at = 0

  constructor(words: readonly Buffer[]) {
    this.#words = words
  }

  next(): Buffer | undefined {
    return this.#words[this.#at++]
  }
}

/** @param allowed  options of the command
 *  @throws RespError ERR Unknown '<WORD>' argument, ERR '<WORD>' is an unsupported argument, … */
export function parseQueryOptions(
  words: readonly Buffer[],
  allowed: readonly OptionName[],
): QueryOptions & { isAnalyzed: boolean } {
  let limit = 0
  let sort: Sort | null = null
  let resultSort: Sort | null = null
  let projection: Buffer | null = null
  let collation: Collation | null = null
  let isAnalyzed = false
  const rest = new Words(words)
  for (let word = rest.next(); word !== undefined; word = rest.next()) {
    const name = optionName(word, allowed)
    if (name === 'LIMIT') limit = parseLimit(rest.next())
    else if (name === 'SORTBY') sort = parseSort(name, rest)
    else if (name === 'RESULTSORT') resultSort = parseSort(name, rest)
    else if (name === 'PROJECTION') projection = required(name, 'a projection', rest)
    else if (name === 'COLLATION') collation = parseCollation(required(name, 'a collation', rest))
    else isAnalyzed = true
  }
  if (sort !== null && sort.field === resultSort?.field) {
    throw err(`SORTBY and RESULTSORT cannot use the same field: '${sort.field}'`)
  }
  return { limit, sort, resultSort, projection, collation, isAnalyzed }
}

function optionName(word: Buffer, allowed: readonly OptionName[]): OptionName {
  const typed = word.toString('utf8').toUpperCase()
  const name = OPTIONS.find(option => option === typed)
  if (name === undefined) throw err(`Unknown '${typed}' argument`)
  if (!allowed.includes(name)) throw err(`'${name}' is an unsupported argument`)
  return name
}

function parseLimit(word: Buffer | undefined): number {
  if (word === undefined) throw err('LIMIT argument must be followed by a positive integer')
  const value = parseInt32(word.toString('latin1'))
  if (value === undefined) throw err('value is not a int or out of range')
  if (value < 0) throw err('LIMIT argument must be a non-negative integer')
  return value
}

function parseSort(name: OptionName, rest: Words): Sort {
  const field = rest.next()
  const direction = rest.next()
  if (field === undefined || direction === undefined) {
    throw err(`${name} argument must be followed by a field name and direction (ASC or DESC)`)
  }
  const typed = direction.toString('utf8').toUpperCase()
  if (typed !== 'ASC' && typed !== 'DESC') throw err(`Invalid sort direction: ${typed}`)
  return { field: field.toString('utf8'), isDescending: typed === 'DESC' }
}

function required(name: OptionName, what: string, rest: Words): Buffer {
  const word = rest.next()
  if (word === undefined) throw err(`${name} argument must be followed by ${what} specification`)
  return word
}
