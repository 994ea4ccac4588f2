/** Names that clients give themselves: printable ASCII without blanks, for CLIENT LIST's lines. */
import { err } from '../../error.js'

const PRINTABLE = /^[!-~]*$/

/** @throws RespError for a name with blanks or special characters. An empty name passes. */
export function checkedName(name: Buffer): string {
  return checked(name, 'Client names')
}

/** As `checkedName`, for the library's name and version. */
export function checkedLibrary(value: Buffer, attribute: string): string {
  return checked(value, attribute)
}

function checked(value: Buffer, what: string): string {
  const text = value.toString('latin1')
  if (!PRINTABLE.test(text)) {
    throw err(`${what} cannot contain spaces, newlines or special characters.`)
  }
  return text
}
