"""Runs checks against a store and prints each outcome as a line of JSON.

Arguments: API version, then the store's directory. The `foundationdb` package is found through
PYTHONPATH, libfdb_c through LD_LIBRARY_PATH. A check is a function with one argument, a database;
its docstring is its name. Checks share the store: each keeps to keys below its own prefix.
"""

import json
import sys
import time
import traceback

import fdb

fdb.api_version(int(sys.argv[1]))

CHECKS = []


def check(function):
    """Adds a check, in the order of the file."""
    CHECKS.append(function)
    return function


def equal(actual, expected):
    """Fails unless both are the same."""
    assert actual == expected, f"{actual!r} is not {expected!r}"


def code_of(action):
    """The FoundationDB error code that `action` fails with; 0 when it succeeds."""
    try:
        action()
    except fdb.FDBError as error:
        return error.code
    return 0


def raises(kind, action):
    """Fails unless `action` raises an exception of a kind."""
    try:
        action()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__} was raised")


def value_of(result):
    """The bytes of a read's result; None for an absent key."""
    if result is None or (hasattr(result, "present") and not result.present()):
        return None
    return bytes(result)


def commit(tr):
    """Commits and waits."""
    tr.commit().wait()


def fill(db, prefix, count):
    """Writes `count` pairs: three digits below the prefix, with the number as the value."""
    tr = db.create_transaction()
    for i in range(count):
        tr[prefix + b"%03d" % i] = b"%d" % i
    commit(tr)


def main():
    """Runs all checks; a failed one does not end the run."""
    db = fdb.open(sys.argv[2])
    for function in CHECKS:
        began = time.monotonic()
        error = None
        try:
            function(db)
        except Exception:  # whatever it is, it is this check's outcome
            error = traceback.format_exc()
        seconds = round(time.monotonic() - began, 3)
        print(json.dumps({"name": function.__doc__, "error": error, "seconds": seconds}))
        sys.stdout.flush()
