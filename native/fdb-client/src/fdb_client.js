// The classes of fdb_client.node: the interface that the npm package `foundationdb` expects of its
// binding (NativeModule, NativeDatabase, NativeTransaction), and our direct variants (`…Now`,
// `getRangePacked`) that answer without a promise when the store does. ts/native.ts has the
// types. This script is compiled into the addon; it evaluates to the function below, which gets
// the flat native functions and returns the module object.
//
// Small results are written by native code into `slab`, one shared buffer, and stay there: a result
// is a view of its own part, which is never written again. A new slab replaces a used-up one.
;(native => {
  const SLAB_BYTES = 32 * 1024
  // A slab with less room than this is replaced; larger results get a buffer of their own.
  const SLAB_ROOM_BYTES = 8 * 1024
  const SLAB_LAST_START = SLAB_BYTES - SLAB_ROOM_BYTES
  // The layout of the packed integer: transaction.cc.
  const PACKED_BYTE_BITS = 14
  const PACKED_COUNT_BITS = 11
  const PACKED_BYTE_MASK = (1 << PACKED_BYTE_BITS) - 1
  const PACKED_COUNT_MASK = (1 << PACKED_COUNT_BITS) - 1

  let slab
  let used = SLAB_BYTES

  const renewSlab = () => {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
    used = 0
    native.useSlab(slab)
  }

  const takeFromSlab = byteLength => slab.subarray(used, (used += byteLength))

  const versionToBuffer = version => {
    const buffer = Buffer.allocUnsafe(8)
    buffer.writeBigInt64BE(version, 0)
    return buffer
  }

  const pairsOf = ({ data, count, more }) => {
    const results = new Array(count)
    let at = 0
    for (let i = 0; i < count; i++) {
      const value = at + 8 + data.readUInt32LE(at)
      const end = value + data.readUInt32LE(at + 4)
      results[i] = [data.subarray(at + 8, value), data.subarray(value, end)]
      at = end
    }
    return { results, more }
  }

  /** Settles like `promise`; with a callback, calls it instead (never before this returns). */
  const deliver = (promise, callback) => {
    if (callback === undefined) return promise
    promise.then(
      value => process.nextTick(callback, null, value),
      error => process.nextTick(callback, error),
    )
  }

  /** The promise of what `answer` returns or throws. */
  const promised = answer => {
    try {
      return Promise.resolve(answer())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  class Transaction {
    constructor(handle) {
      this.handle = handle
    }

    // ---- direct variants: the value at once, or a promise; errors are thrown or rejected ----

    getNow(key, snapshot) {
      if (used > SLAB_LAST_START) renewSlab()
      const found = native.get(this.handle, key, snapshot, used)
      return typeof found === 'number' ? takeFromSlab(found) : found
    }

    getKeyNow(key, orEqual, offset, snapshot) {
      return native.getKey(this.handle, key, orEqual, offset, snapshot)
    }

    getRangePacked(
      begin,
      beginOrEqual,
      beginOffset,
      end,
      endOrEqual,
      endOffset,
      limit,
      targetBytes,
      mode,
      iteration,
      snapshot,
      reverse,
    ) {
      if (used > SLAB_LAST_START) renewSlab()
      const found = native.getRange(
        this.handle,
        begin,
        beginOrEqual,
        beginOffset,
        end,
        endOrEqual,
        endOffset,
        limit,
        targetBytes,
        mode,
        iteration,
        snapshot,
        reverse,
        used,
      )
      if (typeof found !== 'number') return found
      return {
        data: takeFromSlab(found & PACKED_BYTE_MASK),
        count: (found >>> PACKED_BYTE_BITS) & PACKED_COUNT_MASK,
        more: found >>> (PACKED_BYTE_BITS + PACKED_COUNT_BITS) === 1,
      }
    }

    getReadVersionNow() {
      return native.getReadVersion(this.handle)
    }

    commitVersion() {
      return native.getCommittedVersion(this.handle)
    }

    /** Destroys the native transaction; every later call throws. Closing twice is no error. */
    close() {
      if (this.handle === 0) return
      native.destroyTransaction(this.handle)
      this.handle = 0
    }

    // ---- the interface of the npm package ----

    get(key, snapshot, callback) {
      let found
      try {
        found = Promise.resolve(this.getNow(key, snapshot))
      } catch (error) {
        found = Promise.reject(error)
      }
      return callback === undefined ? found : deliver(found, callback)
    }

    getKey(key, orEqual, offset, snapshot, callback) {
      return deliver(
        promised(() => this.getKeyNow(key, !!orEqual, offset, !!snapshot)),
        callback,
      )
    }

    getRange(
      begin,
      beginOrEqual,
      beginOffset,
      end,
      endOrEqual,
      endOffset,
      limit,
      targetBytes,
      mode,
      iteration,
      snapshot,
      reverse,
      callback,
    ) {
      const packed = promised(() =>
        this.getRangePacked(
          begin,
          !!beginOrEqual,
          beginOffset,
          end,
          !!endOrEqual,
          endOffset,
          limit,
          targetBytes,
          mode,
          iteration,
          !!snapshot,
          !!reverse,
        ),
      )
      return deliver(packed.then(pairsOf), callback)
    }

    set(key, value) {
      native.set(this.handle, key, value)
    }

    clear(key) {
      native.clear(this.handle, key)
    }

    clearRange(begin, end) {
      native.clearRange(this.handle, begin, end)
    }

    atomicOp(type, key, operand) {
      native.atomicOp(this.handle, type, key, operand)
    }

    addReadConflictRange(begin, end) {
      native.addConflictRange(this.handle, begin, end, 0)
    }

    addWriteConflictRange(begin, end) {
      native.addConflictRange(this.handle, begin, end, 1)
    }

    setOption(code, value) {
      native.setTransactionOption(this.handle, code, value)
    }

    commit(callback) {
      let committed
      try {
        committed = Promise.resolve(native.commit(this.handle))
      } catch (error) {
        committed = Promise.reject(error)
      }
      return callback === undefined ? committed : deliver(committed, callback)
    }

    onError(code, callback) {
      return deliver(
        promised(() => native.onError(this.handle, code)),
        callback,
      )
    }

    reset() {
      native.reset(this.handle)
    }

    cancel() {
      native.cancel(this.handle)
    }

    getApproximateSize() {
      return promised(() => native.getApproximateSize(this.handle))
    }

    getEstimatedRangeSizeBytes(begin, end) {
      return promised(() => native.getEstimatedRangeSizeBytes(this.handle, begin, end))
    }

    getRangeSplitPoints(begin, end, chunkBytes) {
      return promised(() => native.getRangeSplitPoints(this.handle, begin, end, chunkBytes))
    }

    getAddressesForKey(key) {
      return promised(() => native.getAddressesForKey(this.handle, key))
    }

    watch(key, ignoreStandardErrors) {
      const { id, promise } = native.watch(this.handle, key, !!ignoreStandardErrors)
      return { promise, cancel: () => native.cancelWatch(id) }
    }

    setReadVersion(version) {
      native.setReadVersion(this.handle, version.readBigInt64BE(0))
    }

    getReadVersion(callback) {
      return deliver(promised(() => this.getReadVersionNow()).then(versionToBuffer), callback)
    }

    getCommittedVersion() {
      return versionToBuffer(this.commitVersion())
    }

    getVersionstamp(callback) {
      return deliver(
        promised(() => native.getVersionstamp(this.handle)),
        callback,
      )
    }
  }

  class Database {
    constructor(handle) {
      this.handle = handle
    }

    createTransaction() {
      return new Transaction(native.createTransaction(this.handle))
    }

    setOption(code, value) {
      native.setDatabaseOption(this.handle, code, value)
    }

    close() {
      if (this.handle === 0) return
      native.destroyDatabase(this.handle)
      this.handle = 0
    }
  }

  /** Makes the npm package's retry loop (its class Transaction) close the transaction it ran. */
  const closeAfterRetryLoop = NpmTransaction => {
    const run = NpmTransaction.prototype._exec
    NpmTransaction.prototype._exec = function (body, options) {
      return run.call(this, body, options).then(
        result => {
          this._tn.close()
          return result
        },
        error => {
          this._tn.close()
          throw error
        },
      )
    }
  }

  let FDBError

  return {
    loadLibrary: native.loadLibrary,
    maxApiVersion: native.maxApiVersion,
    closeAfterRetryLoop,
    openTransactionCount: native.openTransactionCount,

    get FDBError() {
      return FDBError
    },
    set FDBError(errorClass) {
      native.setErrorClass(errorClass)
      FDBError = errorClass
    },

    setAPIVersion: version => native.selectApiVersion(version, version),
    setAPIVersionImpl: native.selectApiVersion,
    setNetworkOption: native.setNetworkOption,
    startNetwork: native.startNetwork,
    stopNetwork: native.stopNetwork,
    errorPredicate: native.errorPredicate,
    createDatabase: path => new Database(native.createDatabase(path)),
  }
})
//# sourceURL=kronotop:fdb_client.js
