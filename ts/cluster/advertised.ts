/** The address under which others reach a listener of this member. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import type { Address } from './member.js'

export interface AdvertisedSettings {
  readonly advertised_host?: string | undefined
  readonly advertised_port?: number | undefined
}

type Interfaces = NodeJS.Dict<
  readonly Pick<NetworkInterfaceInfo, 'address' | 'family' | 'internal'>[]
>

/** Hosts that mean every address of the machine. */
const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** What the settings say; else the bound address, in which the machine's first IPv4 address stands
 *  for a host that listens everywhere. Without a network that is the host as bound. */
export function advertisedAddress(
  bound: Address,
  settings: AdvertisedSettings,
  interfaces: Interfaces = networkInterfaces(),
): Address {
  const host = EVERYWHERE.has(bound.host) ? (firstIPv4(interfaces) ?? bound.host) : bound.host
  return {
    host: settings.advertised_host ?? host,
    port: settings.advertised_port ?? bound.port,
  }
}

function firstIPv4(interfaces: Interfaces): string | undefined {
  return Object.values(interfaces)
    .flatMap(addresses => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
}
