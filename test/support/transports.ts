/** The transports that exist on this machine. */

import { createRequire } from 'node:module'
import { nativeTransport } from '../../ts/server/transport/native.js'
import type { NativeTransportModule } from '../../ts/server/transport/native-module.js'
import { nodeTransport } from '../../ts/server/transport/node.js'
import type { TransportFactory } from '../../ts/server/transport/transport.js'

export function loadNativeTransport(): NativeTransportModule {
  return createRequire(import.meta.url)('../../native/transport.node') as NativeTransportModule
}

export function implementations(): { name: string; factory: TransportFactory }[] {
  const node = { name: 'node', factory: nodeTransport }
  if (process.platform !== 'linux') return [node]
  return [node, { name: 'native', factory: nativeTransport(loadNativeTransport()) }]
}
