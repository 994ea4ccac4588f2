"""What programs written for FoundationDB do, through the public Python package."""

import datetime
import struct
import sys
import threading
import time
import uuid

import details  # noqa: F401  adds its checks to those here
import fdb
import fdb.tuple
from fdb import fdboptions
from harness import check, code_of, commit, equal, fill, main, raises, value_of

MODES = ("want_all", "iterator", "small", "medium", "large", "serial")


def numbers(pairs):
    return [int(pair.value) for pair in pairs]


@check
def gets_what_was_set(db):
    """sets, gets and clears keys and ranges"""
    db[b"kv/a"] = b"1"
    db[b"kv/b"] = b""
    equal((bytes(db[b"kv/a"]), bytes(db[b"kv/b"])), (b"1", b""))
    equal(value_of(db[b"kv/none"]), None)
    del db[b"kv/a"]
    equal(value_of(db[b"kv/a"]), None)
    db[b"kv/a\x00\xff"] = bytes(range(256)) * 390
    equal(bytes(db[b"kv/a\x00\xff"]), bytes(range(256)) * 390)
    del db[b"kv/":b"kv0"]
    equal(list(db[b"kv/":b"kv0"]), [])


@check
def reads_its_own_writes(db):
    """reads its own writes, unless they are switched off"""
    fill(db, b"own/", 3)
    tr = db.create_transaction()
    tr[b"own/001"] = b"100"
    del tr[b"own/002"]
    tr.add(b"own/000", struct.pack("<q", 1))
    equal((value_of(tr[b"own/001"]), value_of(tr[b"own/002"])), (b"100", None))
    equal(bytes(tr[b"own/000"]), struct.pack("<q", 0x31))
    equal([pair.key for pair in tr[b"own/":b"own0"]], [b"own/000", b"own/001"])
    equal(bytes(tr.snapshot[b"own/001"]), b"100")
    tr.options.set_snapshot_ryw_disable()
    equal(bytes(tr.snapshot[b"own/001"]), b"1")
    tr.options.set_snapshot_ryw_enable()
    equal(bytes(tr.snapshot[b"own/001"]), b"100")
    blind = db.create_transaction()
    blind.options.set_read_your_writes_disable()
    blind[b"own/001"] = b"200"
    equal(bytes(blind[b"own/001"]), b"1")
    equal(code_of(lambda: blind.watch(b"own/001").wait()), 1034)


@check
def counts_snapshot_ryw_options(db):
    """weighs the options for and against own writes in snapshot reads"""
    tr = db.create_transaction()
    tr[b"weigh"] = b"own"
    tr.options.set_snapshot_ryw_disable()
    tr.options.set_snapshot_ryw_disable()
    tr.options.set_snapshot_ryw_enable()
    equal(value_of(tr.snapshot[b"weigh"]), None)
    tr.options.set_snapshot_ryw_enable()
    equal(bytes(tr.snapshot[b"weigh"]), b"own")


@check
def reads_ranges(db):
    """reads ranges with limits, in both directions, in every streaming mode"""
    fill(db, b"range/", 500)
    begin, end = b"range/", b"range0"
    equal(numbers(db[begin:end]), list(range(500)))
    equal(numbers(db.get_range(begin, end, limit=7)), list(range(7)))
    equal(numbers(db.get_range(begin, end, limit=3, reverse=True)), [499, 498, 497])
    equal(numbers(db.get_range_startswith(b"range/49")), list(range(490, 500)))
    tr = db.create_transaction()
    for mode in (getattr(fdb.StreamingMode, name) for name in MODES):
        for limit in (0, 1, 255, 500, 501):
            for reverse in (False, True):
                found = numbers(tr.get_range(begin, end, limit, reverse, mode))
                expected = list(range(499, -1, -1) if reverse else range(500))
                equal(found, expected[: limit or 500])
    exact = fdb.StreamingMode.exact
    equal(len(tr.get_range(begin, end, 400, streaming_mode=exact).to_list()), 400)
    equal(len(tr.get_range(begin, end, 2000, streaming_mode=exact).to_list()), 500)
    equal(code_of(lambda: list(tr.get_range(begin, end, streaming_mode=exact))), 2210)
    equal(code_of(lambda: list(tr.get_range(begin, end, limit=-5))), 2012)
    equal(list(tr.get_range(end, begin)), [])
    equal(list(tr.get_range(begin, begin)), [])


@check
def resolves_selectors(db):
    """resolves key selectors, beyond both ends too"""
    fill(db, b"select/", 5)
    tr = db.create_transaction()
    selector = fdb.KeySelector

    def key(found):
        return bytes(tr.get_key(found))

    equal(key(selector.first_greater_or_equal(b"select/002")), b"select/002")
    equal(key(selector.first_greater_than(b"select/002")), b"select/003")
    equal(key(selector.last_less_than(b"select/002")), b"select/001")
    equal(key(selector.last_less_or_equal(b"select/002x")), b"select/002")
    equal(key(selector.first_greater_or_equal(b"select/000") + 4), b"select/004")
    equal(key(selector.last_less_or_equal(b"select/004") - 4), b"select/000")
    equal(key(selector.first_greater_than(b"\xfe\xff") + 1000), b"\xff")
    equal(key(selector.first_greater_or_equal(b"") + 1_000_000), b"\xff")
    equal(key(selector.last_less_than(b"") - 3), b"")
    equal(key(selector.last_less_than(b"\x00") - 1_000_000), b"")
    pairs = tr.get_range(
        selector.last_less_than(b"select/003"), selector.first_greater_than(b"select/003")
    )
    equal([pair.key for pair in pairs], [b"select/002", b"select/003"])
    equal(code_of(lambda: key(selector.first_greater_or_equal(b"\xff\x00"))), 2004)
    equal(code_of(lambda: list(tr[b"":b"\xff\xff"])), 2004)


@check
def applies_atomic_operations(db):
    """applies every atomic operation to absent, shorter and longer values"""
    tr = db.create_transaction()
    cases = [
        ("add", None, b"\x05", b"\x05"),
        ("add", b"\xff\x00", b"\x01\x00", b"\x00\x01"),
        ("add", b"\xff\xff\xff", b"\x02", b"\x01"),
        ("bit_and", None, b"\x0f", b"\x0f"),
        ("bit_and", b"\xff\x0f", b"\x3c", b"\x3c"),
        ("bit_or", b"\x01", b"\x02\x04", b"\x03\x04"),
        ("bit_xor", b"\x07", b"\x02", b"\x05"),
        ("max", b"\x01\x02", b"\xff\x01", b"\x01\x02"),
        ("min", b"\x01\x02", b"\xff\x01", b"\xff\x01"),
        ("min", None, b"\x09", b"\x09"),
        ("byte_max", b"ab", b"b", b"b"),
        ("byte_min", b"ab", b"b", b"ab"),
        ("append_if_fits", b"ab", b"cd", b"abcd"),
        ("compare_and_clear", b"same", b"same", None),
        ("compare_and_clear", b"same", b"other", b"same"),
    ]
    for number, (_, before, _, _) in enumerate(cases):
        if before is not None:
            tr[b"atomic/%d" % number] = before
    commit(tr)
    tr = db.create_transaction()
    for number, (operation, _, operand, after) in enumerate(cases):
        getattr(tr, operation)(b"atomic/%d" % number, operand)
        equal((operation, value_of(tr[b"atomic/%d" % number])), (operation, after))
    commit(tr)
    for number, (operation, _, _, after) in enumerate(cases):
        equal((operation, value_of(db[b"atomic/%d" % number])), (operation, after))


@check
def places_versionstamps(db):
    """places versionstamps in keys and values, and tells which"""
    tr = db.create_transaction()
    incomplete = fdb.tuple.Versionstamp(user_version=7)
    narrow = fdb.get_api_version() < 520
    key_offset = struct.pack("<H" if narrow else "<L", 3)
    value_offset = b"" if narrow else struct.pack("<L", 0)
    tr.set_versionstamped_key(fdb.tuple.pack_with_versionstamp((incomplete, "x"), b"vs/k/"), b"v")
    tr.set_versionstamped_value(b"vs/value", b"\x00" * 10 + b">" + value_offset)
    equal(code_of(lambda: tr[b"vs/value"].wait()), 1036)
    equal(code_of(lambda: list(tr[b"vs/k/":b"vs/k0"])), 1036)
    future = tr.get_versionstamp()
    commit(tr)
    stamp = bytes(future.wait())
    equal(stamp[:8], struct.pack(">q", tr.get_committed_version()))
    equal(bytes(db[b"vs/value"]), stamp + b">")
    ((key, value),) = ((pair.key, pair.value) for pair in db[b"vs/k/":b"vs/k0"])
    expected = fdb.tuple.Versionstamp(stamp, 7)
    equal((fdb.tuple.unpack(key, len(b"vs/k/")), value), ((expected, "x"), b"v"))
    later = db.create_transaction()
    later[b"vs/later"] = b""
    next_future = later.get_versionstamp()
    commit(later)
    assert bytes(next_future.wait()) > stamp
    bad = db.create_transaction()
    bad.set_versionstamped_key(b"vs/short" + key_offset, b"")
    equal(code_of(lambda: commit(bad)), 2000)


@check
def answers_no_stamp_for_reads(db):
    """has no commit version and no versionstamp for a transaction that only read"""
    tr = db.create_transaction()
    future = tr.get_versionstamp()
    tr[b"any"].wait()
    commit(tr)
    equal((tr.get_committed_version(), code_of(future.wait)), (-1, 2021))


@check
def fires_watches(db):
    """fires watches on a change only, in all their ways"""
    db[b"watch"] = b"before"
    tr = db.create_transaction()
    watch, cancelled = tr.watch(b"watch"), tr.watch(b"watch")
    commit(tr)
    called = threading.Event()
    watch.on_ready(lambda _: called.set())
    db[b"other"] = b""
    db[b"watch"] = b"before"
    time.sleep(0.05)
    equal((watch.is_ready(), called.is_set()), (False, False))
    cancelled.cancel()
    equal(code_of(cancelled.wait), 1101)
    db[b"watch"] = b"after"
    watch.wait()
    assert called.wait(5)
    own = db.create_transaction()
    own[b"watch"] = b"mine"
    own_watch = own.watch(b"watch")
    commit(own)
    time.sleep(0.05)
    equal(own_watch.is_ready(), False)
    del db[b"watch"]
    own_watch.wait()


@check
def ends_watches_that_never_commit(db):
    """ends the watches of a transaction that is reset, cancelled, retried or fails"""
    ends = {"reset": 1025, "cancel": 1025, "on_error": 1025, "conflict": 1020}
    for way, code in ends.items():
        tr = db.create_transaction()
        tr[b"unwatched"].wait()
        watch = tr.watch(b"unwatched")
        if way == "on_error":
            tr.on_error(1020).wait()
        elif way == "conflict":
            db[b"unwatched"] = uuid.uuid4().bytes
            tr[b"elsewhere"] = b""
            equal(code_of(lambda tr=tr: commit(tr)), 1020)
        else:
            getattr(tr, way)()
        equal((way, code_of(watch.wait)), (way, code))


@check
def limits_watches(db):
    """limits the watches that may be set at a time"""
    db.options.set_max_watches(2)
    tr = db.create_transaction()
    watches = [tr.watch(b"limited/%d" % i) for i in range(3)]
    equal(code_of(watches[2].wait), 1032)
    for watch in watches[:2]:
        watch.cancel()
    equal(code_of(lambda: db.options.set_max_watches(1_000_001)), 2006)
    db.options.set_max_watches(10_000)


@check
def detects_conflicts(db):
    """conflicts on what was read, and on nothing else"""
    fill(db, b"conflict/", 10)

    def outcome(read, write=b"conflict/005"):
        tr = db.create_transaction()
        read(tr)
        db[write] = uuid.uuid4().bytes
        tr[b"conflict!"] = b""
        return code_of(lambda: commit(tr))

    begin, end = b"conflict/", b"conflict0"
    equal(outcome(lambda tr: tr[b"conflict/005"].wait()), 1020)
    equal(outcome(lambda tr: tr[b"conflict/006"].wait()), 0)
    equal(outcome(lambda tr: tr.snapshot[b"conflict/005"].wait()), 0)
    equal(outcome(lambda tr: list(tr[begin:end])), 1020)
    equal(outcome(lambda tr: list(tr.snapshot[begin:end])), 0)
    equal(outcome(lambda tr: list(tr.get_range(begin, end, limit=5))), 0)
    equal(outcome(lambda tr: list(tr.get_range(begin, end, limit=6))), 1020)
    equal(outcome(lambda tr: list(tr.get_range(begin, end, limit=4, reverse=True))), 0)
    equal(outcome(lambda tr: list(tr.get_range(begin, end, limit=5, reverse=True))), 1020)
    equal(outcome(lambda tr: tr.add_read_conflict_key(b"conflict/005")), 0)
    equal(outcome(lambda tr: (tr.get_read_version().wait(),
                              tr.add_read_conflict_range(begin, end))), 1020)
    equal(outcome(lambda tr: (tr.__setitem__(b"conflict/005", b""),
                              tr[b"conflict/005"].wait())), 0)

    def blind_writes(option):
        reader, writer = db.create_transaction(), db.create_transaction()
        reader[b"conflict/001"].wait()
        reader[b"conflict!"] = b""
        option(writer)
        commit(writer)
        return code_of(lambda: commit(reader))

    def unnoticed(tr):
        tr.options.set_next_write_no_write_conflict_range()
        tr[b"conflict/001"] = b""

    equal(blind_writes(unnoticed), 0)
    equal(blind_writes(lambda tr: tr.add_write_conflict_key(b"conflict/001")), 1020)
    equal(code_of(lambda: db.create_transaction().add_read_conflict_range(b"b", b"a")), 2005)


@check
def reads_at_versions(db):
    """reads at a version that was given out, and refuses others"""
    db[b"version"] = b"old"
    version = db.create_transaction().get_read_version().wait()
    db[b"version"] = b"new"
    tr = db.create_transaction()
    tr.set_read_version(version)
    equal((bytes(tr[b"version"]), tr.get_read_version().wait()), (b"old", version))
    assert db.create_transaction().get_read_version().wait() > version
    ancient = db.create_transaction()
    ancient.set_read_version(1)
    equal(ancient.get_read_version().wait(), 1)
    equal(code_of(lambda: ancient[b"version"].wait()), 1007)
    future = db.create_transaction()
    future.set_read_version(version + 10**12)
    equal(code_of(lambda: future[b"version"].wait()), 1009)
    twice = db.create_transaction()
    twice.set_read_version(version)
    twice.set_read_version(version)
    equal(code_of(lambda: twice[b"version"].wait()), 2010)
    unset = db.create_transaction()
    unset.set_read_version(0)
    equal(code_of(lambda: unset[b"version"].wait()), 2011)


@check
def ends_after_five_seconds(db):
    """ends a transaction after five seconds, and an idle one not before it reads"""
    db[b"age"] = b"1"
    tr, writer, idle = (db.create_transaction() for _ in range(3))
    version = tr.get_read_version().wait()
    tr[b"age"].wait()
    writer.add_read_conflict_key(b"age")
    writer.get_read_version().wait()
    writer[b"aged"] = b""
    time.sleep(5.2)
    equal(code_of(lambda: tr[b"age"].wait()), 1007)
    equal(tr.get_read_version().wait(), version)
    equal(code_of(lambda: commit(writer)), 1007)
    equal(bytes(idle[b"age"]), b"1")
    tr.on_error(1007).wait()
    equal(bytes(tr[b"age"]), b"1")


@check
def answers_error_codes(db):
    """answers FoundationDB's codes for keys, values and sizes beyond the limits"""

    def after(write):
        tr = db.create_transaction()
        write(tr)
        return code_of(lambda: commit(tr))

    equal(after(lambda tr: tr.set(b"k" * 10_000, b"")), 0)
    equal(after(lambda tr: tr.set(b"k" * 10_001, b"")), 2102)
    equal(after(lambda tr: tr.set(b"k", b"v" * 100_000)), 0)
    equal(after(lambda tr: tr.set(b"k", b"v" * 100_001)), 2103)
    equal(after(lambda tr: tr.set(b"\xff/k", b"")), 2004)
    equal(after(lambda tr: tr.clear_range(b"b", b"a")), 2005)
    equal(after(lambda tr: [tr.set(b"big%03d" % i, b"v" * 99_000) for i in range(102)]), 2101)
    tr = db.create_transaction()
    equal(code_of(lambda: tr[b"\xff/k"].wait()), 2004)
    tr.cancel()
    equal((code_of(lambda: tr[b"k"].wait()), code_of(lambda: commit(tr))), (1025, 1025))
    tr.reset()
    equal(value_of(tr[b"none"]), None)
    commit(tr)
    equal(code_of(lambda: tr[b"k"].wait()), 2017)
    equal(code_of(lambda: tr.on_error(1020).wait()), 2017)
    tr.reset()
    equal(code_of(lambda: tr.on_error(2101).wait()), 2101)
    equal(code_of(lambda: tr[b"k"].wait()), 1025 if fdb.get_api_version() >= 610 else 0)
    equal(fdb.FDBError(1020).description,
          b"Transaction not committed due to conflict with another transaction")
    retryable, maybe = fdb.predicates.is_retryable, fdb.predicates.is_maybe_committed
    equal([retryable(fdb.FDBError(code)) for code in (1020, 1021, 1007, 2101)],
          [True, True, True, False])
    equal([maybe(fdb.FDBError(code)) for code in (1020, 1021)], [False, True])


@check
def times_out(db):
    """limits time and retries, over retries of the same transaction too"""
    tr = db.create_transaction()
    tr.options.set_timeout(60)
    tr[b"timeout"].wait()
    time.sleep(0.1)
    equal(code_of(lambda: tr[b"timeout"].wait()), 1031)
    equal(code_of(lambda: tr.on_error(1020).wait()), 1031)
    tr.reset()
    tr[b"timeout"].wait()
    tr.options.set_retry_limit(2)
    kept = fdb.get_api_version() >= 610
    outcomes = [code_of(lambda: tr.on_error(1020).wait()) for _ in range(3)]
    equal(outcomes, [0, 0, 1020 if kept else 0])


@check
def keeps_database_options(db):
    """gives the database's options to its transactions, retried and reset ones too"""
    # Another spelling of the path: the package keeps one database for each.
    limited = fdb.open(sys.argv[2] + "/.")
    limited.options.set_transaction_retry_limit(1)
    limited.options.set_snapshot_ryw_disable()
    tr = limited.create_transaction()
    for restart in (lambda: tr.on_error(1020).wait(), tr.reset, lambda: tr.on_error(1020).wait()):
        restart()
        tr[b"options"] = b""
        equal(value_of(tr.snapshot[b"options"]), None)
    equal(code_of(lambda: tr.on_error(1020).wait()), 1020)
    equal(code_of(lambda: db.create_transaction().on_error(1020).wait()), 0)


@check
def accepts_options(db):
    """accepts every option that the package knows"""
    values = {type(None): (), int: (1000,), str: ("x",), bytes: (b"x",)}
    exposed = fdb.open(sys.argv[2] + "/")
    refused = []
    for options, target in (
        (fdboptions.TransactionOption, db.create_transaction),
        (fdboptions.DatabaseOption, lambda: exposed),
        (fdboptions.NetworkOption, lambda: fdb),
    ):
        for name, (_, _, kind, _) in options.items():
            owner = target()
            code = code_of(lambda: getattr(owner.options, "set_" + name.lower())(*values[kind]))
            if code != 0:
                refused.append((name, code))
    equal(refused, [])
    exposed.options.set_max_watches(10_000)
    tr = db.create_transaction()
    equal(code_of(lambda: tr.options.set_timeout(-1)), 2006)
    tr.options.set_retry_limit(-2)
    equal(code_of(lambda: tr[b"k"].wait()), 2006)


@check
def measures(db):
    """measures sizes of transactions and ranges, and splits ranges"""
    tr = db.create_transaction()
    equal(tr.get_approximate_size().wait(), 0)
    tr[b"size"] = b"x" * 1000
    assert 1000 < tr.get_approximate_size().wait() < 1200
    tr.options.set_size_limit(500)
    equal(code_of(lambda: commit(tr)), 2101)
    load = db.create_transaction()
    for i in range(100):
        load[b"measured/%03d" % i] = b"x" * 990
    commit(load)
    tr = db.create_transaction()
    size = tr.get_estimated_range_size_bytes(b"measured/", b"measured0").wait()
    assert 50_000 < size < 200_000, size
    points = list(tr.get_range_split_points(b"measured/", b"measured0", 20_000).wait())
    equal((points[0], points[-1]), (b"measured/", b"measured0"))
    assert points == sorted(set(points)) and 3 < len(points) < 12, points


@check
def packs_tuples(db):
    """keeps tuples and their order as keys"""
    items = [
        (None,), (b"bytes\x00\xff",), ("text \u00e9",), ((None, ("a", 1), b""),), (-(2**70),),
        (-1,), (0,), (1,), (2**64 + 5,), (fdb.tuple.SingleFloat(1.5),), (-2.25,), (3.5,), (False,),
        (True,), (uuid.UUID(int=99),), (fdb.tuple.Versionstamp(b"0123456789", 3),),
    ]
    space = fdb.Subspace(("tuples",))

    @fdb.transactional
    def write(tr):
        for item in items:
            tr[space.pack(item)] = fdb.tuple.pack(item)

    write(db)
    found = [(space.unpack(pair.key), fdb.tuple.unpack(pair.value)) for pair in db[space.range()]]
    equal(found, [(item, item) for item in sorted(items, key=fdb.tuple.pack)])


@check
def manages_directories(db):
    """creates, moves, lists and removes directories"""
    directory = fdb.directory
    users = directory.create_or_open(db, ("app", "users"), layer=b"table")
    equal(directory.open(db, ("app", "users")).key(), users.key())
    equal(users.get_layer(), b"table")
    db[users[7]] = b"seven"
    orders = directory.create(db, ("app", "orders"))
    assert users.key() != orders.key()
    equal(sorted(directory.list(db, ("app",))), ["orders", "users"])
    moved = directory.move(db, ("app", "users"), ("app", "people"))
    equal((moved.key(), bytes(db[moved[7]])), (users.key(), b"seven"))
    equal(directory.exists(db, ("app", "users")), False)
    for action in (
        lambda: directory.create(db, ("app", "people")),
        lambda: directory.open(db, ("app", "none")),
        lambda: directory.open(db, ("app", "people"), layer=b"other"),
    ):
        raises(ValueError, action)
    partition = directory.create(db, ("app", "part"), layer=b"partition")
    inner = partition.create(db, ("inner",))
    equal(directory.open(db, ("app", "part", "inner")).key(), inner.key())
    equal(directory.list(db, ("app", "part")), ["inner"])
    equal(directory.remove(db, ("app",)), True)
    equal(directory.remove_if_exists(db, ("app",)), False)
    equal(value_of(db[moved[7]]), None)


@check
def runs_in_two_threads(db):
    """serves two threads with a transaction each, and two with one together"""
    shared = db.create_transaction()
    failures = []

    def work(number):
        try:
            for i in range(200):
                key = b"threads/%d/%03d" % (number, i)
                db[key] = b"%d" % i
                equal(bytes(db[key]), b"%d" % i)
                shared[b"shared/%d/%03d" % (number, i)] = b""
                shared[b"threads/none"].wait()
        except BaseException as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [])
    commit(shared)
    equal(len(list(db[b"shared/":b"shared0"])), 400)
    equal(len(list(db[b"threads/":b"threads0"])), 400)


@check
def counts_every_increment(db):
    """counts every increment of many threads' retry loops once"""
    threads_count, increments = 8, 25

    @fdb.transactional
    def increment(tr):
        tr[b"counter"] = b"%d" % (int(value_of(tr[b"counter"]) or 0) + 1)

    def work():
        for _ in range(increments):
            increment(db)

    threads = [threading.Thread(target=work) for _ in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(int(bytes(db[b"counter"])), threads_count * increments)


@check
def waits_for_any_future(db):
    """waits for one of several futures, and calls back when one is ready"""
    tr = db.create_transaction()
    watch = tr.watch(b"never")
    read = tr[b"never"]
    commit(tr)
    equal(fdb.Future.wait_for_any(watch, read), 1)
    order = []
    read.on_ready(lambda future: order.append(future))
    equal(order, [read])
    read.block_until_ready()
    watch.cancel()
    equal(watch.is_ready(), True)


@check
def has_no_tenants(db):
    """answers tenants as an unsupported operation"""
    equal(code_of(lambda: db.open_tenant(b"tenant")), 2108)


main()
