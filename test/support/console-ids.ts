/** Ids on a page of console blocks: each run makes others. */

/** Ids of documents, of members, and of their processes. */
export const ID = /\b(?:[0-9a-f]{24}|[0-9a-f]{40}|[0-9A-V]{20}xxxx)\b/g

/** Ids in the order in which they first appear on one side: shown, or answered. */
export class Ids {
  readonly #seen: string[] = []

  indexOf(id: string): number {
    if (!this.#seen.includes(id)) this.#seen.push(id)
    return this.#seen.indexOf(id)
  }

  at(index: number): string | undefined {
    return this.#seen[index]
  }

  /** The text with numbers in place of ids. */
  mask(text: string): string {
    return text.replace(ID, id => `<id ${this.indexOf(id)}>`)
  }
}
