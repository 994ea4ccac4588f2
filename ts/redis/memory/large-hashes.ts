/**
 * Hashes with so many fields that no command may touch each of them. What is done to all fields is
 * noted for the hash as a whole: its own item is in `dirty` and in `Moves` and stands for them, and
 * batches take the fields piece by piece.
 *
 *   live   a walk visits each field, whose record is written again
 *   gone   its fields are dropped in steps, then batches clear their records
 *
 * INVARIANT: such a hash is in `dirty` until its last field has joined a batch, and what `Moves`
 * knows of it stays until that batch has committed.
 * ORDER: no batch is taken before all fields of gone hashes have been dropped.
 */
import type { DirtyItems } from './dirty-items.js'
import { CLEARED_WITH_HASH, type Items } from './items.js'
import type { Batch, HashPart, Moves } from './moves.js'
import type { NameTable } from './name-table.js'

/** Of a hash that is too long for a batch, a piece has this part of one: since it cannot be written
 *  as a whole, what reads it need not keep the thread for longer. */
const PIECE = 1 / 4

/** What is to be done with all fields of a hash. */
interface Work {
  readonly fields: NameTable
  /** Where the walk over the fields of a live hash goes on; 0 = at the beginning. */
  cursor: number
  /** All fields have changed again since the walk began: another one follows. */
  isRepeated: boolean
  /** How often the hash moved: was renamed, or went. */
  moveCount: number
  /** Of a gone hash: fields that are not dropped yet. */
  dropping: Iterator<number> | undefined
  /** Of a gone hash: dropped fields that have a record and are in no batch. */
  readonly gone: number[]
}

/** The key that a hash leaves. */
interface Leaving {
  readonly left: string
  /** Slot of the key, when something else takes it now. */
  readonly taken: number | undefined
}

interface LargeHashesParts {
  readonly items: Items
  readonly dirty: DirtyItems
  readonly moves: Moves
}

export class LargeHashes {
  readonly #items: Items
  readonly #dirty: DirtyItems
  readonly #moves: Moves
  readonly #works = new Map<number, Work>()
  /** Gone hashes with fields that are not dropped yet. */
  readonly #dropping = new Set<number>()

  constructor({ items, dirty, moves }: LargeHashesParts) {
    this.#items = items
    this.#dirty = dirty
    this.#moves = moves
  }

  /** Is there something to do with all fields of a hash, or in a batch that is being written? */
  has(hash: number): boolean {
    return this.#works.has(hash)
  }

  /** Has all fields of a live hash written again. */
  touch(hash: number, fields: NameTable): void {
    const work = this.#workOf(hash, fields)
    if (work.cursor !== 0) work.isRepeated = true
    this.#dirty.add(hash)
  }

  /** As `touch`, with what its key has: the hash was given another one. @param left  its old key */
  move(hash: number, fields: NameTable, { left, slot }: { left: string; slot: number }): void {
    this.#startOver(hash, fields)
    this.#moves.leave(hash, left)
    this.#moves.bind(hash, slot)
  }

  /** Removes a hash whose key has been taken from it. */
  remove(hash: number, fields: NameTable, { left, taken }: Leaving): void {
    this.#startOver(hash, fields).dropping = fields[Symbol.iterator]()
    this.#dropping.add(hash)
    this.#moves.leave(hash, left)
    if (taken !== undefined) this.#moves.bind(hash, taken)
    this.#items.drop(hash)
  }

  /** Drops fields of gone hashes. @param count  of them, at most. @returns true when all are */
  drop(count: number): boolean {
    let left = count
    for (const hash of this.#dropping) {
      const work = this.#works.get(hash)!
      for (; left > 0; left--) {
        const { value: field, done } = work.dropping!.next()
        if (done) break
        this.#dropField(field, hash, work)
      }
      if (left === 0) return false
      this.#dropping.delete(hash)
      if (work.gone.length === 0) this.#end(hash)
    }
    return true
  }

  /** Adds the fields of a hash that is dirty to a batch. @param bytesOf  length of a record
   *  @returns  false when the batch takes nothing more before the last one */
  join(hash: number, batch: Batch, bytesOf: (field: number) => number): boolean {
    const work = this.#works.get(hash)!
    const { cursor, moveCount } = work
    const part: HashPart = { work, cursor, moveCount, gone: [], isWhole: false }
    batch.hashes.set(hash, part)
    if (work.dropping !== undefined) {
      while (work.gone.length > 0) {
        if (batch.isFull) return false
        const field = work.gone.pop()!
        part.gone.push(field)
        batch.add(field, 0)
      }
    } else {
      const isTooLong = work.fields.size > batch.most
      const most = isTooLong ? batch.items.size + batch.most * PIECE : batch.most
      do {
        if (batch.isFull || batch.items.size >= most) return false
        const visit = work.fields.visit(work.cursor, 1)
        for (const field of visit.items) {
          if (!batch.items.has(field)) batch.add(field, bytesOf(field))
        }
        work.cursor = visit.cursor
      } while (work.cursor !== 0)
    }
    part.isWhole = true
    return true
  }

  /** Takes hashes whose last field is in a batch out of `dirty`. */
  take(batch: Batch): void {
    for (const [hash, { isWhole }] of batch.hashes) {
      if (!isWhole) continue
      this.#dirty.delete(hash)
      const work = this.#works.get(hash)!
      if (!work.isRepeated) continue
      work.isRepeated = false
      this.#dirty.add(hash)
    }
  }

  /** Says that a batch has committed. */
  written(batch: Batch): void {
    for (const [hash, { work, moveCount, isWhole }] of batch.hashes) {
      const now = this.#works.get(hash)
      // The number may be that of another item by now.
      if (now !== work || !isWhole || now.moveCount !== moveCount) continue
      this.#moves.settle(hash)
      if (!this.#dirty.has(hash)) this.#end(hash)
    }
  }

  /** Says that a batch failed. @returns the hashes that are dirty again */
  putBack(batch: Batch): number[] {
    const back: number[] = []
    for (const [hash, { work, cursor, moveCount, gone, isWhole }] of batch.hashes) {
      const now = this.#works.get(hash)
      if (now !== work) continue
      back.push(hash)
      for (const field of gone) this.#keep(field, now)
      if (now.moveCount !== moveCount) continue
      now.isRepeated ||= isWhole && this.#dirty.has(hash)
      now.cursor = cursor
    }
    return back
  }

  #workOf(hash: number, fields: NameTable): Work {
    let work = this.#works.get(hash)
    if (work === undefined) {
      const start = { cursor: 0, isRepeated: false, moveCount: 0 }
      work = { fields, ...start, dropping: undefined, gone: [] }
      this.#works.set(hash, work)
    }
    return work
  }

  /** Begins the walk again, and puts the hash at the end of what is dirty. */
  #startOver(hash: number, fields: NameTable): Work {
    const work = this.#workOf(hash, fields)
    work.cursor = 0
    work.isRepeated = false
    work.moveCount++
    this.#dirty.delete(hash)
    this.#dirty.add(hash)
    return work
  }

  #dropField(field: number, hash: number, work: Work): void {
    this.#items.drop(field)
    this.#dirty.delete(field)
    if (this.#items.recordIdOf(field) === 0) {
      this.#moves.settle(field)
      this.#items.free(field)
    } else if (this.#moves.has(field)) {
      // It goes its own way: others may have to wait for it alone.
      this.#moves.follow(field, hash)
      this.#dirty.add(field)
    } else {
      this.#keep(field, work)
    }
  }

  #keep(field: number, work: Work): void {
    this.#items.setDirtyAt(field, CLEARED_WITH_HASH)
    work.gone.push(field)
  }

  /** Nothing is to be done any more. */
  #end(hash: number): void {
    const isGone = this.#works.get(hash)!.dropping !== undefined
    this.#works.delete(hash)
    if (!isGone) return
    this.#dirty.delete(hash)
    this.#moves.settle(hash)
    this.#items.free(hash)
  }
}
