"""What FoundationDB's own directory layer makes of the directories of namespaces.

It runs beside a server that makes namespaces at the same time.
"""

import json

import fdb
from harness import check, equal, main

AREA = ("kronotop", "development", "namespaces")
OWN = ("made by python",)
COUNT = 300


@check
def lists_and_opens(db):
    """lists and opens the directories of namespaces"""
    equal(fdb.directory.list(db, AREA + ("py",)), ["gone", "kept", "move"])
    kept = fdb.directory.open(db, AREA + ("py", "kept"))
    equal(kept.get_layer(), b"")
    equal(fdb.directory.exists(db, AREA + ("py", "kept", "below")), True)
    equal(bytes(db[kept.key() + b"\x02k"]), b"v")


@check
def moves_and_removes(db):
    """moves and removes the directories of namespaces"""
    before = fdb.directory.open(db, AREA + ("py", "move")).key()
    moved = fdb.directory.move(db, AREA + ("py", "move"), AREA + ("py", "moved"))
    equal(moved.key(), before)
    gone = fdb.directory.open(db, AREA + ("py", "gone", "below")).key()
    equal(fdb.directory.remove(db, AREA + ("py", "gone")), True)
    equal(list(db.get_range_startswith(gone)), [])


@check
def allocates_beside_a_server(db):
    """makes directories while a server makes namespaces"""
    made = [fdb.directory.create(db, OWN + (str(i),)).key() for i in range(COUNT)]
    print(json.dumps({"prefixes": [prefix.hex() for prefix in made]}))


main()
