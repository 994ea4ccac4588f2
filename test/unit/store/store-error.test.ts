import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../../ts/error.js'
import { storeErrorName } from '../../../ts/store/error-names.js'
import {
  STORE_ERRORS,
  StoreCode,
  StoreError,
  storeError,
  useErrorNames,
} from '../../../ts/store/store-error.js'

/** What clients were promised: code, prefix, message. */
const PROMISED = `
1000|OPERATION_FAILED|Operation failed
1004|TIMED_OUT|Operation timed out
1007|TRANSACTION_TOO_OLD|Transaction is too old to perform reads or be committed
1009|FUTURE_VERSION|Request for future version
1020|NOT_COMMITTED|Transaction not committed due to conflict with another transaction
1021|COMMIT_UNKNOWN_RESULT|Transaction may or may not have committed
1025|TRANSACTION_CANCELLED|Operation aborted because the transaction was cancelled
1031|TRANSACTION_TIMED_OUT|Operation aborted because the transaction timed out
1032|TOO_MANY_WATCHES|Too many watches currently set
1034|WATCHES_DISABLED|Watches cannot be set if read your writes is disabled
1036|ACCESSED_UNREADABLE|Read or wrote an unreadable key
1037|PROCESS_BEHIND|Storage process does not have recent mutations
1038|DATABASE_LOCKED|Database is locked
1039|CLUSTER_VERSION_CHANGED|Cluster has been upgraded to a new protocol version
1042|PROXY_MEMORY_LIMIT_EXCEEDED|CommitProxy commit memory limit exceeded
1051|BATCH_TRANSACTION_THROTTLED|Batch GRV request rate limit exceeded
1101|OPERATION_CANCELLED|Asynchronous operation cancelled
1102|FUTURE_RELEASED|Future has been released
1213|TAG_THROTTLED|Transaction tag is being throttled
1500|PLATFORM_ERROR|Platform error
1510|IO_ERROR|Disk i/o operation failed
1511|FILE_NOT_FOUND|File not found
1515|NO_CLUSTER_FILE_FOUND|No cluster file found in current directory or default location
2000|CLIENT_INVALID_OPERATION|Invalid API call
2002|COMMIT_READ_INCOMPLETE|Commit with incomplete read
2004|KEY_OUTSIDE_LEGAL_RANGE|Key outside legal range
2005|INVERTED_RANGE|Range begin key larger than end key
2006|INVALID_OPTION_VALUE|Option set with an invalid value
2007|INVALID_OPTION|Option not valid in this context
2010|READ_VERSION_ALREADY_SET|Transaction already has a read version set
2011|VERSION_INVALID|Version not valid
2012|RANGE_LIMITS_INVALID|Range limits not valid
2017|USED_DURING_COMMIT|Operation issued while a commit was outstanding
2018|INVALID_MUTATION_TYPE|Unrecognized atomic mutation type
2020|TRANSACTION_INVALID_VERSION|Transaction does not have a valid commit version
2021|NO_COMMIT_VERSION|Transaction is read-only and therefore does not have a commit version
2023|TRANSACTION_READ_ONLY|Attempted to commit a transaction specified as read-only
2101|TRANSACTION_TOO_LARGE|Transaction exceeds byte limit
2102|KEY_TOO_LARGE|Key length exceeds limit
2103|VALUE_TOO_LARGE|Value length exceeds limit
2108|UNSUPPORTED_OPERATION|Operation is not supported
2200|API_VERSION_UNSET|API version is not set
2201|API_VERSION_ALREADY_SET|API version may be set only once
2202|API_VERSION_INVALID|API version not valid
2203|API_VERSION_NOT_SUPPORTED|API version not supported
2210|EXACT_MODE_WITHOUT_LIMITS|EXACT streaming mode requires limits, but none were given
4000|UNKNOWN_ERROR|An unknown error occurred
4100|INTERNAL_ERROR|An internal error occurred
`
  .trim()
  .split('\n')
  .map(line => line.split('|') as [code: string, prefix: string, message: string])

test.before.each(() => useErrorNames('current'))
test.after(() => useErrorNames('seed'))

test('gives every promised code its prefix and message', () => {
  for (const [code, prefix, message] of PROMISED) {
    const error = new StoreError('native text', Number(code))
    assert.equal([error.prefix, error.message], [prefix, message], code)
    assert.is(error.code, Number(code))
    assert.instance(error, RespError)
  }
})

test('has no code that was not promised', () => {
  const promised = PROMISED.map(([code]) => Number(code))
  assert.equal([...STORE_ERRORS.keys()].sort(), promised.sort())
})

test('names other errors of FoundationDB, and passes their native text on', () => {
  const named: [code: number, prefix: string, description: string][] = [
    [1026, 'CONNECTION_FAILED', 'Network connection failed'],
    [1078, 'GRV_PROXY_MEMORY_LIMIT_EXCEEDED', 'GetReadVersion proxy memory limit exceeded'],
    [2014, 'ATTRIBUTE_NOT_FOUND', 'Attribute not found'],
    [2131, 'TENANT_NOT_FOUND', 'Tenant does not exist'],
  ]
  for (const [code, prefix, description] of named) {
    const error = new StoreError(description, code)
    assert.equal([error.prefix, error.message], [prefix, description], String(code))
    assert.is(error.description, description)
  }
})

test('passes the native text of codes without a name on, with a small first letter', () => {
  const error = new StoreError('Some new failure', 1999)
  assert.equal([error.prefix, error.message], ['ERR', 'some new failure'])
  assert.is(error.description, 'Some new failure')
})

test('names no error that the contract names', () => {
  for (const code of STORE_ERRORS.keys()) assert.is(storeErrorName(code), undefined, String(code))
})

test('uses the older wording for code 1007 unless told otherwise', () => {
  useErrorNames('seed')
  const error = storeError('transactionTooOld')
  assert.equal(
    [error.prefix, error.message],
    ['TRANSACTIONOLD', 'transaction is too old to perform reads or be committed'],
  )
  assert.is(storeError('notCommitted').prefix, 'NOT_COMMITTED')
})

test('knows the text of every code that the server raises itself', () => {
  for (const code of Object.values(StoreCode)) assert.ok(STORE_ERRORS.has(code), String(code))
})

test.run()
