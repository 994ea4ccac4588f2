/** Chooses the transport of a listener. */

import { nativeTransport } from './native.js'
import type { NativeTransportModule } from './native-module.js'
import { nodeTransport } from './node.js'
import type { ListenOptions, TransportFactory } from './transport.js'

/** `auto`: the native one where it exists, which is Linux, and for plain TCP. */
export type TransportKind = 'auto' | 'native' | 'node'

/**
 * @param kind    the setting
 * @param native  the loaded native module, undefined when there is none for this system
 * @throws Error when `native` is asked for and cannot be had
 */
export function selectTransport(
  kind: TransportKind,
  native: NativeTransportModule | undefined,
  options: Pick<ListenOptions, 'tls'>,
): TransportFactory {
  if (kind === 'native' && !native) {
    throw new Error('the native transport is not available on this system')
  }
  if (kind === 'native' && options.tls) {
    throw new Error('the native transport does not offer TLS')
  }
  return native && kind !== 'node' && !options.tls ? nativeTransport(native) : nodeTransport
}
