/** Errors of namespaces, in the wording of the contract. */

import { RespError } from '../../error.js'

export function alreadyExists(path: string): RespError {
  return new RespError('NAMESPACEALREADYEXISTS', `Namespace already exists: ${path}`)
}

/** @param path the one that carries the flag: the namespace that was meant, or one above it */
export function beingRemoved(path: string): RespError {
  return new RespError('NAMESPACEBEINGREMOVED', `Namespace '${path}' is being removed`)
}

/** @param isQuoted as `compat.error_names = current` has it */
export function noSuchNamespace(path: string, isQuoted: boolean): RespError {
  const name = isQuoted ? `'${path}'` : path
  return new RespError('NOSUCHNAMESPACE', `No such namespace: ${name}`)
}

/** @param path what was moved away */
export function tombstoneUnseen(path: string): RespError {
  const unseen = `Not all cluster members have observed the tombstone for namespace '${path}'`
  return new RespError('BARRIERNOTSATISFIED', unseen)
}

export function removalUnseen(number: bigint, attempts: number): RespError {
  const unseen = `not all members observed version ${number} within ${attempts} attempts`
  return new RespError('BARRIERNOTSATISFIED', `Barrier not satisfied: ${unseen}`)
}
