/**
 * Documents on their way into a bucket: converted, checked, each with its `_id`, and appended to a
 * volume once.
 */

import { err, RespError } from '../error.js'
import { addon, nativeReason, type PreparedDocuments } from '../native.js'
import { yieldTurn } from '../store/turn.js'
import type { Locations } from '../volume/locations.js'
import type { Volume } from '../volume/volume.js'

/** Documents of one INSERT at most. */
export const INSERT_LIMIT = 65_535

const ID_BYTES = 12

/** A large INSERT is worked on in pieces, so that other connections get their turn: of so many
 *  documents, and, where their bytes count, of so many bytes. */
const PIECE_DOCUMENTS = 256
const PIECE_BYTES = 256 * 1024

/** Refusals that concern a document of the user's. */
const DOCUMENT_CODES: ReadonlySet<string> = new Set([
  'INVALID_JSON',
  'INVALID_BSON',
  'ID_TYPE',
  'TOO_DEEP',
  'TOO_LARGE',
])

interface Appended {
  readonly volume: Volume
  /** The volume's epoch before the bodies were appended. */
  readonly epoch: bigint
  readonly locations: Locations
}

/**
 * Documents on their way in. A transaction that is retried goes on with what the attempt before it
 * found out: the same ids, and bodies that are appended once.
 */
export class Insertion {
  readonly #documents: Buffer[]
  readonly #isJson: boolean
  #prepared: PreparedDocuments | undefined
  #appended: Appended | undefined

  /** @param documents  borrowed until the insertion is over */
  constructor(documents: Buffer[], isJson: boolean) {
    this.#documents = documents
    this.#isJson = isJson
  }

  get count(): number {
    return this.#documents.length
  }

  /** The documents, converted and checked, each with its `_id`.
   *  @throws RespError ERR _id field must be of type ObjectId, DUPLICATEKEY, ERR <parser text> */
  prepare(): PreparedDocuments {
    this.#prepared ??= checked(joinPieces(this.#pieces().map(piece => this.#convert(piece))))
    return this.#prepared
  }

  /** As `prepare`, with turns for others in between. */
  async prepareInTurns(): Promise<PreparedDocuments> {
    if (this.#prepared === undefined) {
      const pieces: PreparedDocuments[] = []
      for (const piece of this.#pieces()) {
        const isLarge = piece.length === 1 && piece[0]!.length > PIECE_BYTES
        pieces.push(isLarge ? await this.#convertAside(piece) : this.#convert(piece))
        await yieldTurn()
      }
      this.#prepared = checked(joinPieces(pieces))
    }
    return this.#prepared
  }

  #pieces(): Buffer[][] {
    if (this.count > INSERT_LIMIT) throw err('too many entries in a single transaction')
    const pieces: Buffer[][] = []
    for (let from = 0; from < this.count; ) {
      const to = endOfPiece(this.#documents, from)
      pieces.push(this.#documents.slice(from, to))
      from = to
    }
    return pieces
  }

  #convert(documents: Buffer[]): PreparedDocuments {
    try {
      return addon.prepareInsert(documents, this.#isJson)
    } catch (cause) {
      throw documentError(cause)
    }
  }

  /** Off the event loop. */
  async #convertAside(documents: Buffer[]): Promise<PreparedDocuments> {
    try {
      return await addon.prepareInsertAsync(documents, this.#isJson)
    } catch (cause) {
      throw documentError(cause)
    }
  }

  /** Where the bodies lie. They are written again when the volume was opened again meanwhile:
   *  another primary may have used their places. */
  async append(volume: Volume): Promise<Appended> {
    const { epoch } = volume
    if (this.#appended?.volume !== volume || this.#appended.epoch !== epoch) {
      const { bodies, lengths } = this.prepare()
      this.#appended = { volume, epoch, locations: await volume.append(bodies, lengths) }
    }
    return this.#appended
  }
}

/** A refusal that is the user's to know, or the cause itself. */
function documentError(cause: unknown): unknown {
  const reason = nativeReason(cause)
  if (reason === undefined || !DOCUMENT_CODES.has(reason.code)) return cause
  return err(reason.message, { cause })
}

/** @throws RespError DUPLICATEKEY when an `_id` comes twice */
function checked(prepared: PreparedDocuments): PreparedDocuments {
  const seen = new Set<string>()
  for (let i = 0; i < prepared.lengths.length; i++) {
    const id = idAt(prepared, i).toString('hex')
    if (seen.has(id)) throw duplicateId(id)
    seen.add(id)
  }
  return prepared
}

/** End of the run of documents from `from` on that is converted at once; one at least. */
function endOfPiece(documents: readonly Buffer[], from: number): number {
  let bytes = documents[from]!.length
  let to = from + 1
  while (to < documents.length && to - from < PIECE_DOCUMENTS) {
    bytes += documents[to]!.length
    if (bytes > PIECE_BYTES) break
    to++
  }
  return to
}

function joinPieces(pieces: readonly PreparedDocuments[]): PreparedDocuments {
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return only
  const lengths = new Uint32Array(pieces.reduce((total, piece) => total + piece.lengths.length, 0))
  let count = 0
  for (const piece of pieces) {
    lengths.set(piece.lengths, count)
    count += piece.lengths.length
  }
  return {
    bodies: Buffer.concat(pieces.map(piece => piece.bodies)),
    ids: Buffer.concat(pieces.map(piece => piece.ids)),
    lengths,
  }
}

export function idAt(prepared: PreparedDocuments, i: number): Buffer {
  return prepared.ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES)
}

export function duplicateId(hex: string): RespError {
  return new RespError('DUPLICATEKEY', `Duplicate key: _id '${hex}'`)
}
