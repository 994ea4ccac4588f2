"""What programs may rely on beyond the obvious: threads of callbacks, special keys, commits that are
disturbed, limits at their edges."""

import json
import struct
import sys
import threading

import fdb
import fdb.locality
from harness import check, code_of, commit, equal, fill, value_of


@check
def calls_back_from_the_network_thread(db):
    """calls back from the network thread alone, which must not wait"""
    threads, codes, all_called = [], [], threading.Event()
    holder = db.create_transaction()
    never = holder.watch(b"details/never")

    def on_ready(_):
        threads.append(threading.get_ident())
        # The package's own waiting is a callback and a semaphore: it would never return.
        codes.append(code_of(lambda: never.capi.fdb_future_block_until_ready(never.fpointer)))
        if len(threads) == 20:
            all_called.set()

    transactions, futures = [], []
    for number in range(10):
        tr = db.create_transaction()
        watch = tr.watch(b"details/watched")
        watch.on_ready(on_ready)
        tr[b"details/%d" % number] = b""
        done = tr.commit()
        done.on_ready(on_ready)
        transactions.append(tr)
        futures += [watch, done]
    for future in futures[1::2]:
        future.wait()
    db[b"details/watched"] = b"changed"
    assert all_called.wait(10), len(threads)
    # A commit that was ready before its callback was set calls back at once, from here.
    here = threading.get_ident()
    others = {thread for thread in threads if thread != here}
    equal(others, {fdb.impl._network_thread.ident})
    equal({code for thread, code in zip(threads, codes) if thread != here}, {2026})
    never.cancel()


@check
def answers_special_keys(db):
    """tells about the store through special keys, addresses and the client's status"""
    newer = fdb.get_api_version() >= 630
    path = sys.argv[2]
    equal(bytes(db[b"\xff\xff/cluster_file_path"]).decode(), path)
    assert b"@" in bytes(db[b"\xff\xff/connection_string"])
    status = json.loads(bytes(db[b"\xff\xff/status/json"]))
    equal(status["cluster"]["database_available"], True)
    equal(status["client"]["cluster_file"]["path"], path)
    tr = db.create_transaction()
    equal(code_of(lambda: tr[b"\xff\xff/nothing"].wait()), 2113 if newer else 2004)
    module = (b"\xff\xff/metrics/", b"\xff\xff/metrics0")
    crossing = (b"\xff\xff/metrics/", b"\xff\xff/x")
    equal(code_of(lambda: equal(list(tr[slice(*module)]), [])), 0 if newer else 2004)
    equal(code_of(lambda: list(tr[slice(*crossing)])), 2112 if newer else 2004)
    writer = db.create_transaction()
    writer[b"\xff\xff/management/maintenance/x"] = b"1"
    equal(code_of(lambda: commit(writer)), 2114 if fdb.get_api_version() >= 700 else 2004)
    addresses = fdb.locality.get_addresses_for_key(tr, b"any").wait()
    equal(addresses, [b"127.0.0.1:0" if newer else b"127.0.0.1"])
    if hasattr(db, "get_client_status"):
        equal(json.loads(bytes(db.get_client_status()))["Healthy"], True)


@check
def gives_commits_up(db):
    """fails what is on its way when its transaction is used, cancelled or reset"""
    for disturb in (lambda tr: tr.cancel(), lambda tr: tr.reset()):
        for _ in range(20):
            tr = db.create_transaction()
            tr[b"details/given-up"] = b"x" * 50_000
            done = tr.commit()
            disturb(tr)
            assert code_of(done.wait) in (0, 1025)
    tr = db.create_transaction()
    version = tr.get_read_version().wait()
    tr[b"details/used"] = b""
    commit(tr)
    equal(tr.get_read_version().wait(), version)
    assert tr.get_committed_version() > version
    equal(code_of(lambda: tr.get_versionstamp().wait()), 2017)
    tr.set(b"details/used", b"again")
    equal(code_of(lambda: commit(tr)), 2017)


@check
def gives_late_commits_up(db):
    """gives up a commit that takes longer than the transaction may"""
    late = fdb.open(sys.argv[2] + "/./")
    set_faults(late, b"seed=1 late_commits=1 max_delay_ms=1000")
    codes = set()
    for _ in range(20):
        tr = late.create_transaction()
        tr.options.set_timeout(50)
        tr[b"details/late"] = b""
        codes.add(code_of(lambda tr=tr: commit(tr)))
        if 1031 in codes:
            equal(code_of(lambda tr=tr: tr.on_error(1020).wait()), 1031)
            break
    set_faults(late, None)
    assert 1031 in codes and codes <= {0, 1031}, codes


def set_faults(db, text):
    """Sets the faults of the store by its own option; none ends them."""
    code_of(lambda: db.capi.fdb_database_set_option(db.dpointer, 1_000_000, text, len(text or b"")))


@check
def keeps_stamped_keys_unreadable(db):
    """keeps what a versionstamp touches unreadable until it is cleared"""
    offset = b"" if fdb.get_api_version() < 520 else struct.pack("<L", 0)
    tr = db.create_transaction()
    tr.set_versionstamped_value(b"details/stamp", b"\x00" * 10 + offset)
    tr[b"details/stamp"] = b"known"
    equal(code_of(lambda: tr[b"details/stamp"].wait()), 1036)
    del tr[b"details/stamp"]
    equal(value_of(tr[b"details/stamp"]), None)
    metadata = db.create_transaction()
    metadata[b"\xff/metadataVersion"] = b"x"
    equal(code_of(lambda: commit(metadata)), 2000)
    metadata.reset()
    before = value_of(metadata[b"\xff/metadataVersion"])
    if offset:
        metadata.set_versionstamped_value(b"\xff/metadataVersion", b"\x00" * 14)
        commit(metadata)
        assert value_of(db[b"\xff/metadataVersion"]) != before


@check
def counts_bytes_that_are_left(db):
    """counts a key that is written over and over once for the size of a transaction"""
    tr = db.create_transaction()
    for _ in range(150):
        tr[b"details/same"] = b"v" * 100_000
    commit(tr)
    equal(len(bytes(db[b"details/same"])), 100_000)


@check
def sets_ten_thousand_watches(db):
    """sets 10,000 watches and no more, and fires each"""
    tr = db.create_transaction()
    watches = [tr.watch(b"details/w%05d" % number) for number in range(10_000)]
    equal(code_of(tr.watch(b"details/one more").wait), 1032)
    commit(tr)
    equal(sum(watch.is_ready() for watch in watches), 0)
    writer = db.create_transaction()
    for number in range(10_000):
        writer[b"details/w%05d" % number] = b"1"
    commit(writer)
    for watch in watches:
        watch.wait()
    again = db.create_transaction()
    one = again.watch(b"details/one more")
    commit(again)
    db[b"details/one more"] = b"1"
    one.wait()


@check
def limits_end_conflicts(db):
    """conflicts over what a limited read returned, whatever its end is counted from"""
    fill(db, b"details/c/", 10)
    end = fdb.KeySelector.first_greater_or_equal(b"details/c/005") + 3
    for written, code in ((b"details/c/001", 1020), (b"details/c/006", 0)):
        tr = db.create_transaction()
        equal(len(list(tr.get_range(b"details/c/", end, limit=3))), 3)
        db[written] = b"changed"
        tr[b"details/c!"] = b""
        equal((written, code_of(lambda tr=tr: commit(tr))), (written, code))
