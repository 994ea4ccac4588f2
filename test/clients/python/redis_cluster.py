"""Checks of two members with the cluster mode of redis-py; prints each outcome as a line of JSON.

Arguments: port of a member, protocol (2 or 3). The `redis` package is found through PYTHONPATH. A
check is a function with one argument, a client; its docstring is its name. The line `restart` asks
for both members to be restarted on the same ports, and one on stdin says that it is done.
"""

import sys
import time

import redis
from checks import run
from redis.cluster import RedisCluster

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
KEYS = [f"py:{i}" for i in range(100)]
CHECKS = []


def connect():
    """A client of its own, which is told of one member only."""
    return RedisCluster(host="127.0.0.1", port=PORT, protocol=PROTOCOL, socket_timeout=20)


def check(function):
    """Adds a check, in the order of the file."""
    CHECKS.append(function)
    return function


def equal(actual, expected):
    """Fails unless both are the same."""
    assert actual == expected, f"{actual!r} is not {expected!r}"


@check
def finds_the_members(client):
    """finds both members, and routes keys to them"""
    equal(len(client.get_primaries()), 2)
    for i, key in enumerate(KEYS):
        equal(client.set(key, str(i)), True)
    for i, key in enumerate(KEYS):
        equal(client.get(key), str(i).encode())
    nodes = {client.get_node_from_key(key).name for key in KEYS}
    equal(len(nodes), 2)
    equal(client.keyslot("foo"), client.cluster_keyslot("foo"))
    equal(client.cluster_info()["cluster_state"], "ok")
    equal(client.hset("py:h", mapping={"a": "1", "b": "2"}), 2)
    equal(client.hgetall("py:h"), {b"a": b"1", b"b": b"2"})


@check
def follows_moved(client):
    """follows MOVED, and remembers where to"""
    slot = client.keyslot(KEYS[0])
    cache = client.nodes_manager.slots_cache
    right = cache[slot]
    wrong = next(nodes for nodes in cache.values() if nodes[0] != right[0])
    cache[slot] = wrong
    equal(client.get(KEYS[0]), b"0")
    equal(client.nodes_manager.slots_cache[slot][0], right[0])


@check
def pipelines(client):
    """pipelines over both members"""
    pipe = client.pipeline()
    for key in KEYS:
        pipe.get(key)
        pipe.set(key, "piped")
    replies = pipe.execute()
    equal(replies[0::2], [str(i).encode() for i in range(len(KEYS))])
    equal(replies[1::2], [True] * len(KEYS))
    wrong = client.pipeline()
    wrong.get(KEYS[0])
    wrong.hget(KEYS[1], "f")
    value, error = wrong.execute(raise_on_error=False)
    equal(value, b"piped")
    assert str(error).startswith("WRONGTYPE"), error


@check
def runs_transactions(client):
    """runs MULTI … EXEC on either member, and WATCH"""
    for key in KEYS[:10]:
        with client.pipeline(transaction=True) as pipe:
            pipe.set(key, "in a transaction")
            pipe.get(key)
            # The library leaves status replies of a transaction as they came.
            equal(pipe.execute(), [b"OK", b"in a transaction"])
    with client.pipeline(transaction=True) as pipe:
        pipe.watch(KEYS[0])
        client.set(KEYS[0], "changed")
        pipe.multi()
        pipe.set(KEYS[0], "lost")
        try:
            pipe.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("a watched key was changed")
    equal(client.get(KEYS[0]), b"changed")


@check
def follows_moved_in_transactions(client):
    """follows MOVED out of a transaction"""
    slot = client.keyslot(KEYS[0])
    cache = client.nodes_manager.slots_cache
    wrong = next(nodes for nodes in cache.values() if nodes[0] != cache[slot][0])
    cache[slot] = wrong
    with client.pipeline(transaction=True) as pipe:
        pipe.set(KEYS[0], "moved")
        pipe.get(KEYS[0])
        equal(pipe.execute(), [b"OK", b"moved"])


@check
def reconnects(client):
    """reconnects to both members after a restart"""
    for i, key in enumerate(KEYS):
        client.set(key, f"kept {i}")
    print("restart", flush=True)
    sys.stdin.readline()
    deadline = time.monotonic() + 20
    for i, key in enumerate(KEYS):
        while True:
            try:
                equal(client.get(key), f"kept {i}".encode())
                break
            except (redis.ConnectionError, redis.TimeoutError, redis.RedisError):
                assert time.monotonic() < deadline, "the members do not come back"
                time.sleep(0.05)


run(CHECKS, connect())
