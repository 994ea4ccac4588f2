/**
 * The settings below `foundationdb.network_options` as options of FoundationDB's network: numbers
 * and values as `fdb.options` lists them. The package's own `configNetwork` is not used: it cuts
 * numbers to 32 bits.
 */

import type { Config } from '../config/config.js'
import type { FdbClient } from '../native.js'
import { StoreError } from './store-error.js'

type NetworkSettings = Config['foundationdb']['network_options']

/** How a value reaches the library: its UTF-8 bytes, 8 bytes little-endian, or none for a flag. */
type Value = string | number | boolean | undefined

/** A row: the setting, its number, its value. */
type Row = readonly [setting: string, code: number, of: (settings: NetworkSettings) => Value]

/** ORDER: options are set from the top; the password comes before the key that it opens. */
const OPTIONS: readonly Row[] = [
  ['trace.enable', 30, ({ trace }) => trace.enable],
  ['trace.roll_size', 31, ({ trace }) => trace.roll_size],
  ['trace.max_logs_size', 32, ({ trace }) => trace.max_logs_size],
  ['trace.log_group', 33, ({ trace }) => trace.log_group],
  ['trace.format', 34, ({ trace }) => trace.format],
  ['trace.file_identifier', 36, ({ trace }) => trace.file_identifier],
  ['tls.password', 54, ({ tls }) => tls.password],
  ['tls.cert_path', 43, ({ tls }) => tls.cert_path],
  ['tls.key_path', 46, ({ tls }) => tls.key_path],
  ['tls.verify_peers', 47, ({ tls }) => tls.verify_peers],
  ['tls.ca_path', 53, ({ tls }) => tls.ca_path],
  ['client.disable_statistics_logging', 70, ({ client }) => client.disable_statistics_logging],
  ['client.distributed_tracer', 90, ({ client }) => client.distributed_tracer],
  ['client.tmp_dir', 91, ({ client }) => client.tmp_dir],
]

/** Sets those that are present, before the network is started.
 *  @throws Error  one line for the operator: which setting the library refuses, and why */
export function setNetworkOptions(client: FdbClient, settings: NetworkSettings): void {
  for (const [setting, code, of] of OPTIONS) {
    const value = of(settings)
    if (value === undefined || value === false) continue
    try {
      client.setNetworkOption(code, value === true ? null : value)
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause
      const name = `foundationdb.network_options.${setting}`
      throw new Error(`setting ${name}: the client library refuses it: ${cause.description}`, {
        cause,
      })
    }
  }
}
