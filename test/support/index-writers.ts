/**
 * Clients that insert, update and delete documents of their own, at random, and remember what is
 * left of them. The bucket has a unique index on `key`.
 */
import { useJson } from './bucket.js'
import type { Random } from './random.js'
import type { Frame, RespClient } from './resp-client.js'

/** The schema that their bucket begins with. */
export const WRITERS_SCHEMA = '{"key": {"bson_type": "string", "unique": true, "name": "key"}}'

/** Indexes over their documents; some documents lack a field, or have arrays. */
export const LATER_INDEXES = {
  n: { bson_type: 'int32', name: 'n' },
  tags: { bson_type: 'int32', multi_key: true, name: 'tags' },
  text: { bson_type: 'string', name: 'text', collation: { locale: 'en', strength: 2 } },
  $compound: [
    {
      name: 'both',
      fields: [
        { selector: 'tags', bson_type: 'int32', multi_key: true },
        { selector: 'n', bson_type: 'int64' },
      ],
    },
  ],
}

/** Errors that leave everything as it was. */
const REFUSALS: ReadonlySet<string> = new Set(['NOT_COMMITTED', 'TRANSACTIONOLD'])

type Fields = Record<string, unknown>

/** The fields of a new document besides its key. */
export function randomFields(random: Random): Fields {
  const tags = Array.from({ length: random.between(0, 4) }, () => random.between(0, 9))
  return {
    ...(random.next() < 0.9 ? { n: random.between(0, 50) } : {}),
    ...(random.next() < 0.9 ? { tags } : {}),
    ...(random.next() < 0.5 ? { text: random.pick(['a', 'A', 'á', 'zebra', '']) } : {}),
  }
}

export interface WriterOptions {
  readonly bucket: string
  readonly random: Random
  /** First part of its keys. */
  readonly owner: string
}

export class IndexWriter {
  /** What is left, by key; `unknown` when the result of a write is. */
  readonly documents = new Map<string, Fields | 'unknown'>()
  readonly #client: RespClient
  readonly #options: WriterOptions
  #count = 0
  #isOver = false

  private constructor(client: RespClient, options: WriterOptions) {
    this.#client = client
    this.#options = options
  }

  static async of(client: RespClient, options: WriterOptions): Promise<IndexWriter> {
    return new IndexWriter(await useJson(client), options)
  }

  stop(): void {
    this.#isOver = true
  }

  /** Writes until `stop`. */
  async run(): Promise<void> {
    while (!this.#isOver) await this.#write()
  }

  /** Inserts documents, at once. */
  async insert(count: number): Promise<void> {
    const made = Array.from({ length: count }, () => this.#newDocument())
    const texts = made.map(document => JSON.stringify(document))
    const { bucket } = this.#options
    await this.#settle(
      ['BUCKET.INSERT', bucket, 'DOCS', ...texts],
      () => {
        for (const { key, ...fields } of made) this.documents.set(key, fields)
      },
      made.map(({ key }) => key),
    )
  }

  async #write(): Promise<void> {
    const { bucket, random } = this.#options
    const keys = [...this.documents.keys()]
    const chance = random.next()
    if (keys.length === 0 || chance < 0.3) return this.insert(random.between(1, 5))
    const key = random.pick(keys)
    const filter = JSON.stringify({ key })
    const known = this.documents.get(key)!
    if (chance < 0.5) {
      const words = ['BUCKET.DELETE', bucket, filter]
      return this.#settle(words, () => this.documents.delete(key), [key])
    }
    const fields = randomFields(random)
    const update = JSON.stringify({ $set: fields })
    return this.#settle(['BUCKET.UPDATE', bucket, filter, update], () => {
      if (known !== 'unknown') this.documents.set(key, { ...known, ...fields })
    }, [key])
  }

  #newDocument(): Fields & { key: string } {
    const { owner, random } = this.#options
    return { key: `${owner}.${this.#count++}`, ...randomFields(random) }
  }

  /** @param keys  of the documents whose state is unknown when the result is */
  async #settle(words: string[], applied: () => void, keys: readonly string[]): Promise<void> {
    const word = errorOf(await this.#client.frame(...words))
    if (word === undefined) applied()
    else if (word === 'COMMIT_UNKNOWN_RESULT') {
      for (const key of keys) this.documents.set(key, 'unknown')
    } else if (!REFUSALS.has(word)) throw new Error(`${words.slice(0, 2).join(' ')}: ${word}`)
  }
}

function errorOf({ type, value }: Frame): string | undefined {
  return type === '-' ? String(value).split(' ')[0] : undefined
}
