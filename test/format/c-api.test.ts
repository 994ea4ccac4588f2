/**
 * The names of FoundationDB's C API, frozen: bindings look every one of them up when they load, so
 * a missing one is fatal even where it is never called. The names are those of `fdb_c.h` up to
 * version 730 for the API versions that our libfdb_c serves, and of the internal header that
 * FoundationDB's own multi-version client looks up.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nativePath } from '../../ts/native.js'

const NAMES = `
add_network_thread_completion_hook cluster_create_database cluster_destroy cluster_set_option
create_cluster create_database create_database_from_connection_string
database_blobbify_range database_blobbify_range_blocking database_create_shared_state
database_create_snapshot database_create_transaction database_destroy database_flush_blob_range
database_force_recovery_with_data_loss database_get_client_status
database_get_main_thread_busyness database_get_server_protocol database_list_blobbified_ranges
database_open_tenant database_purge_blob_granules database_reboot_worker database_set_option
database_set_shared_state database_unblobbify_range database_verify_blob_range
database_wait_purge_granules_complete error_predicate
future_block_until_ready future_cancel future_destroy future_get_bool future_get_cluster
future_get_database future_get_double future_get_error future_get_granule_summary_array
future_get_int64 future_get_key future_get_key_array future_get_keyrange_array
future_get_keyvalue_array future_get_mappedkeyvalue_array future_get_shared_state
future_get_string_array future_get_uint64 future_get_value future_get_version future_is_ready
future_readbg_get_descriptions future_release_memory future_set_callback
get_client_version get_error get_max_api_version network_set_option
readbg_parse_delta_file readbg_parse_snapshot_file
result_destroy result_get_bg_mutations_array result_get_keyvalue_array
run_network select_api_version_impl setup_network stop_network
tenant_blobbify_range tenant_blobbify_range_blocking tenant_create_transaction tenant_destroy
tenant_flush_blob_range tenant_get_id tenant_list_blobbified_ranges tenant_purge_blob_granules
tenant_unblobbify_range tenant_verify_blob_range tenant_wait_purge_granules_complete
transaction_add_conflict_range transaction_atomic_op transaction_cancel transaction_clear
transaction_clear_range transaction_commit transaction_destroy transaction_get
transaction_get_addresses_for_key transaction_get_approximate_size
transaction_get_blob_granule_ranges transaction_get_committed_version
transaction_get_estimated_range_size_bytes transaction_get_key transaction_get_mapped_range
transaction_get_range transaction_get_range_split_points transaction_get_read_version
transaction_get_tag_throttled_duration transaction_get_total_cost transaction_get_versionstamp
transaction_on_error transaction_read_blob_granules transaction_read_blob_granules_description
transaction_reset transaction_set transaction_set_option transaction_set_read_version
transaction_summarize_blob_granules transaction_watch
`
  .trim()
  .split(/\s+/)
  .map(name => `fdb_${name}`)

/** Ours: `native/fdb-client` does without them where they are missing. */
const OWN_NAMES = ['kronotop_future_get_packed', 'kronotop_last_error']

const SECTION_BYTES = 64
const SYMBOL_BYTES = 24
const TYPE_DYNSYM = 11

/** The names that a shared object of 64-bit little-endian ELF exports. */
function exportsOf(path: string): string[] {
  const file = readFileSync(path)
  assert.is(file.toString('latin1', 0, 6), '\x7fELF\x02\x01')
  const sections = Number(file.readBigUInt64LE(40))
  const section = (index: number) => {
    const at = sections + index * SECTION_BYTES
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 24)),
      size: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
    }
  }
  const all = Array.from({ length: file.readUInt16LE(60) }, (_, index) => section(index))
  const symbols = all.find(({ type }) => type === TYPE_DYNSYM)
  assert.ok(symbols)
  const names: string[] = []
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += SYMBOL_BYTES) {
    const start = section(symbols.link).offset + file.readUInt32LE(at)
    const isDefined = file.readUInt16LE(at + 6) !== 0
    if (isDefined) names.push(file.toString('latin1', start, file.indexOf(0, start)))
  }
  return names
}

test('exports every function of the C API, and nothing else', () => {
  const expected = [...NAMES, ...OWN_NAMES].sort()
  assert.equal(exportsOf(nativePath('libfdb_c.so')).sort(), expected)
})

test('names each function once', () => {
  assert.is(new Set(NAMES).size, NAMES.length)
})

test.run()
