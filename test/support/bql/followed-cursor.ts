/** A cursor with what has to hold of it while others change documents and indexes. */
import { deserialize, EJSON } from 'bson'
import * as assert from 'uvu/assert'
import { batchIn } from '../bucket.js'
import { ReplyError, type RespClient, toData, type Word } from '../resp-client.js'
import type { CollationSpec } from './collation.js'
import { bytesOf } from './collection.js'
import { type Collations, matches } from './evaluate.js'
import { areSortedBy, type Sort } from './order.js'
import { idIn, written } from './subject.js'
import type { Doc } from './values.js'

export type CursorKind = 'QUERY' | 'UPDATE' | 'DELETE'

/** What is asked, in words and for the model. */
export interface Question {
  readonly kind: CursorKind
  readonly bucket: string
  readonly filter: Doc
  /** The filter as it is sent. */
  readonly argument: Word
  readonly limit: number
  readonly sort: Sort | undefined
  readonly collation: CollationSpec | undefined
  readonly collations: Collations
  /** Of an UPDATE. */
  readonly change: { readonly argument: Word; readonly apply: (doc: Doc) => Doc } | undefined
}

/** Documents by their ids in hexadecimal, as they are now. */
export type Documents = Map<string, Doc>

/** The words of the command that asks. */
export function wordsOf(question: Question): Word[] {
  const { kind, bucket, argument, change, sort, collation, limit } = question
  return [
    ...[`BUCKET.${kind}`, bucket, argument],
    ...(change === undefined ? [] : [change.argument]),
    ...(sort === undefined ? [] : ['SORTBY', sort.path, sort.descending ? 'DESC' : 'ASC']),
    ...(collation === undefined ? [] : ['COLLATION', JSON.stringify(collation)]),
    ...['LIMIT', String(limit)],
  ]
}

export class FollowedCursor {
  readonly question: Question
  /** Whether the index that gave its order may be gone, or of no more use. */
  mayBeRefused = false
  readonly #client: RespClient
  readonly #documents: Documents
  /** Matched from the start on, and nobody has touched them since. */
  readonly #due: Set<string>
  readonly #returned = new Set<string>()
  /** Those that nobody has touched, in the order in which they came. */
  readonly #inOrder: Doc[] = []
  /** No index gives the order that is asked for any more. */
  #isRefused = false
  #written: string[] = []
  #id = ''
  #history: string[] = []

  constructor(client: RespClient, documents: Documents, question: Question) {
    this.#client = client
    this.#documents = documents
    this.question = question
    const due = [...documents].filter(([, doc]) => this.#matches(doc))
    this.#due = new Set(due.map(([id]) => id))
  }

  /** Reads the first batch. */
  async open(): Promise<number> {
    return this.#take(wordsOf(this.question))
  }

  /** Reads the next batch. @returns how many documents came */
  async advance(): Promise<number> {
    try {
      return await this.#take(['BUCKET.ADVANCE', this.question.kind, this.#id])
    } catch (cause) {
      if (!(cause instanceof ReplyError)) throw cause
      assert.ok(this.mayBeRefused && this.question.sort !== undefined, this.describe())
      assert.match(cause.message, /^ERR query cannot be executed: SORTBY '/, this.describe())
      this.#isRefused = true
      return 0
    }
  }

  /** Reads the rest: then nothing that was due may be missing. */
  async finish(): Promise<void> {
    // Batches of an update may be empty because its documents are as it wants them.
    const least = Math.ceil(this.#documents.size / this.question.limit) + 2
    for (let count = 0, i = 0; i < least || count > 0; i++) {
      count = await this.advance()
      if (count === 0 && this.question.kind !== 'UPDATE') break
    }
    const missing = this.#isRefused ? [] : [...this.#due].filter(id => !this.#isDone(id))
    const shown = missing.slice(0, 3).map(id => this.#shown(id))
    assert.is(missing.length, 0, `${this.describe()}\nnever came: ${shown.join('\n')}`)
    await this.#client.call('BUCKET.CLOSE', this.question.kind, this.#id)
  }

  /** Ids of what it has changed or deleted since the last call. */
  takeWritten(): string[] {
    const written = this.#written
    this.#written = []
    return written
  }

  /** Others have changed a document. */
  touch(id: string): void {
    this.#due.delete(id)
  }

  note(what: string): void {
    this.#history.push(what)
  }

  describe(): string {
    const { filter, kind } = this.question
    const words = wordsOf(this.question)
      .slice(3)
      .map(word => (typeof word === 'string' ? word : EJSON.stringify(deserialize(word))))
    const text = EJSON.stringify(filter, { relaxed: false })
    return `${kind} ${this.question.bucket} ${text} ${words.join(' ')}\n${this.#history.join('\n')}`
  }

  async #take(words: readonly Word[]): Promise<number> {
    const frame = await written(this.#client, ...words)
    // What is refused is thrown with its text alone.
    if (frame.type === '-') toData(frame)
    const { cursorId, items } = batchIn(frame)
    this.#id = String(cursorId)
    const { kind, limit, sort } = this.question
    const ids = items.map(item => (kind === 'QUERY' ? idIn(item) : item.toString()))
    this.note(`→ ${ids.map(id => id.slice(-4)).join(' ')}`)
    assert.ok(ids.length <= limit, this.describe())
    for (const [i, id] of ids.entries()) this.#check(id, items[i]!)
    if (sort !== undefined) {
      const shown = () => `${this.describe()}\nnot in order: ${EJSON.stringify(this.#inOrder)}`
      if (!areSortedBy(this.#inOrder, sort)) assert.unreachable(shown())
    }
    return ids.length
  }

  /** What came is there, as it is now, and was not there before. */
  #check(id: string, item: Buffer): void {
    const { kind, change } = this.question
    const doc = this.#documents.get(id)
    const where = `${id}: ${this.describe()}`
    assert.not.ok(this.#returned.has(id), `twice ${where}`)
    assert.ok(doc !== undefined, `not there ${where}`)
    assert.ok(this.#matches(doc), `does not match ${this.#shown(id)} ${where}`)
    this.#returned.add(id)
    if (this.#due.has(id)) this.#inOrder.push(doc)
    if (kind !== 'QUERY') this.#written.push(id)
    if (kind === 'QUERY') assert.ok(bytesOf(doc).equals(item), `another body ${where}`)
    else if (kind === 'DELETE') this.#documents.delete(id)
    else {
      const after = change!.apply(doc)
      assert.not.ok(bytesOf(after).equals(bytesOf(doc)), `not changed ${where}`)
      this.#documents.set(id, after)
    }
  }

  #isDone(id: string): boolean {
    if (this.#returned.has(id)) return true
    const { kind, change } = this.question
    const doc = this.#documents.get(id)
    if (kind !== 'UPDATE' || doc === undefined) return false
    return bytesOf(change!.apply(doc)).equals(bytesOf(doc))
  }

  #matches(doc: Doc): boolean {
    return matches(doc, this.question.filter, this.question.collations)
  }

  #shown(id: string): string {
    return EJSON.stringify(this.#documents.get(id), { relaxed: false })
  }
}
