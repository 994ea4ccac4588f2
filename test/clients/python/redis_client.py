"""Checks of a server with redis-py; prints each outcome as a line of JSON.

Arguments: port, protocol (2 or 3). The `redis` package is found through PYTHONPATH. A check is a
function with one argument, a client; its docstring is its name. The line `restart` asks for the
server to be restarted on the same port, and one on stdin says that it is done.
"""

import sys
import threading

import redis
from checks import run

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
BYTES = bytes(range(256))
CHECKS = []


def connect(**options):
    """A client of its own."""
    return redis.Redis(port=PORT, protocol=PROTOCOL, **{"socket_timeout": 20, **options})


def check(function):
    """Adds a check, in the order of the file."""
    CHECKS.append(function)
    return function


def equal(actual, expected):
    """Fails unless both are the same."""
    assert actual == expected, f"{actual!r} is not {expected!r}"


def error_of(action):
    """The text of the error reply that `action` fails with."""
    try:
        action()
    except redis.ResponseError as error:
        return str(error)
    raise AssertionError("no error was raised")


@check
def connects(client):
    """connects and names itself"""
    equal(client.ping(), True)
    equal(client.echo("\u00fc"), "\u00fc".encode())
    client.client_setname("py")
    info = client.client_info()
    equal((info["name"], info["lib-name"], info["resp"]), ("py", "redis-py", str(PROTOCOL)))
    equal(client.info("server")["redis_mode"], "cluster")
    assert client.time()[0] > 1_700_000_000


@check
def gets_errors(client):
    """gets errors whole, and goes on"""
    equal(error_of(lambda: client.execute_command("NOPE", "x")), "unknown command 'NOPE'")
    text = error_of(lambda: client.execute_command("COMMIT"))
    equal(text, "TRANSACTION there is no transaction in progress.")
    client.set("py:string", "x")
    assert error_of(lambda: client.hget("py:string", "f")).startswith("WRONGTYPE")
    equal(client.ping(), True)


@check
def uses_redis_commands(client):
    """uses its own methods for Redis commands"""
    equal(client.set("py:k", "v", ex=100), True)
    equal(client.set("py:k", "w", nx=True), None)
    equal(client.get("py:k"), b"v")
    equal(client.hset("py:h", mapping={"a": "1", "b": "2"}), 2)
    equal(client.hgetall("py:h"), {b"a": b"1", b"b": b"2"})
    equal(client.hget("py:h", "c"), None)
    equal((client.delete("py:k"), client.delete("py:h")), (1, 1))


@check
def carries_bytes(client):
    """carries bytes in keys and values"""
    client.set(BYTES, BYTES)
    equal(client.get(BYTES), BYTES)
    client.execute_command("ZSET", BYTES, BYTES)
    equal(client.execute_command("ZGET", BYTES), BYTES)
    large = BYTES * 8_192
    client.set("py:large", large)
    equal(client.get("py:large"), large)


@check
def runs_a_transaction(client):
    """runs a transaction, seen by nobody before its commit"""
    with connect(single_connection_client=True) as own:
        equal(own.execute_command("BEGIN"), b"OK")
        own.execute_command("ZSET", "py:tx", "1")
        equal(client.execute_command("ZGET", "py:tx"), None)
        equal(own.execute_command("ZGET", "py:tx"), b"1")
        version = own.execute_command("COMMIT", "RETURNING", "committed-version")
        assert isinstance(version, int) and version > 0
        equal(client.execute_command("ZGETRANGE", "py:tx", "py:ty"), [[b"py:tx", b"1"]])
        own.execute_command("BEGIN")
        own.execute_command("ZDEL", "py:tx")
        own.execute_command("ROLLBACK")
        equal(client.execute_command("ZGET", "py:tx"), b"1")


@check
def pipelines(client):
    """pipelines commands that answer at once and later"""
    pipe = client.pipeline(transaction=False)
    for i in range(500):
        pipe.execute_command("ZSET", "py:pipe", str(i))
        pipe.execute_command("ZGET", "py:pipe")
        pipe.echo(str(i))
    pipe.execute_command("NOPE")
    replies = pipe.execute(raise_on_error=False)
    for i in range(500):
        text = str(i).encode()
        equal(replies[3 * i + 1 : 3 * i + 3], [text, text])
    assert isinstance(replies[-1], redis.ResponseError)


@check
def sees_attributes(client):
    """sees a map as its protocol has it"""
    listed = client.execute_command("SESSION.ATTRIBUTE", "LIST")
    if PROTOCOL == 3:
        equal(listed[b"limit"], 100)
    else:
        equal(listed[4:6], [b"limit", 100])


@check
def is_woken(client):
    """is woken from a blocking command, and may leave one"""
    client.execute_command("ZSET", "py:watch", "1")
    woken = []
    waiter = threading.Thread(
        target=lambda: woken.append(connect().execute_command("ZWATCH", "py:watch"))
    )
    waiter.start()
    for i in range(1_000):
        client.execute_command("ZSET", "py:watch", f"other {i}")
        waiter.join(0.02)
        if not waiter.is_alive():
            break
    equal(woken, [b"OK"])
    with connect(socket_timeout=0.5) as leaving:
        try:
            leaving.execute_command("ZWATCH", "py:watch")
        except redis.TimeoutError:
            pass
    equal(client.ping(), True)


@check
def reconnects(client):
    """reconnects after a restart of the server"""
    client.set("py:kept", "1")
    client.execute_command("ZSET", "py:kept", "2")
    print("restart", flush=True)
    sys.stdin.readline()
    equal(client.get("py:kept"), b"1")
    equal(client.execute_command("ZGET", "py:kept"), b"2")
    equal(client.client_info()["resp"], str(PROTOCOL))


run(CHECKS, connect())
