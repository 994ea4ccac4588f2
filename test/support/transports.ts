/** The transports that exist on this machine. */

import { nodeTransport } from '../../ts/server/transport/node.js'
import type { TransportFactory } from '../../ts/server/transport/transport.js'

export function implementations(): { name: string; factory: TransportFactory }[] {
  return [{ name: 'node', factory: nodeTransport }]
}
