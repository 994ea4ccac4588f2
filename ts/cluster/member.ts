/** A member's record: what the others know of it. Stored as JSON under `members/<id>`. */

import { err } from '../error.js'

export const MEMBER_STATUSES = ['RUNNING', 'STOPPED', 'UNAVAILABLE', 'UNKNOWN'] as const
export type MemberStatus = (typeof MEMBER_STATUSES)[number]

export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, with an IPv6 host in brackets. */
export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export interface MemberRecord {
  readonly memberId: string
  readonly status: MemberStatus
  /** Opaque, increasing with every process start; see `stampText`. */
  readonly processId: string
  readonly external: Address
  readonly internal: Address
}

/** Client-port `host:port` as Redis Cluster has it: clients cut at the last colon, and take no
 *  brackets around an IPv6 host. */
export function clientAddress({ external: { host, port } }: MemberRecord): string {
  return `${host}:${port}`
}

export function encodeMember(record: MemberRecord): Buffer {
  return Buffer.from(JSON.stringify(record))
}

export function decodeMember(value: Buffer): MemberRecord {
  return JSON.parse(value.toString('utf8')) as MemberRecord
}

/** Resolves a member argument: a full id, or a prefix of exactly four characters.
 *  @throws RespError ERR Invalid memberId: …, no member or more than one with that prefix */
export function resolveMemberId(argument: string, registered: Iterable<string>): string {
  if (argument.length === 40) return argument
  if (argument.length !== 4) throw err(`Invalid memberId: ${argument}`)
  const matches = [...registered].filter(id => id.startsWith(argument))
  if (matches.length > 1) throw err(`more than one member found with prefix: ${argument}`)
  const [found] = matches
  if (found === undefined) throw err(`no member found with prefix: ${argument}`)
  return found
}
