"""What redis-py reads from COMMAND, in both protocols: one line of JSON for each.

Arguments: the port of a server.
"""

import json
import sys

import redis


def text(value):
    """Bytes as text, sets as sorted lists, all the way down."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {text(key): text(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(text(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [text(item) for item in value]
    return value


def described(client):
    commands = client.command()
    return {
        "count": client.command_count(),
        "entries": len(commands),
        "get": text(commands["get"]),
        "zget": text(commands["zget"]),
        "names": text(client.command_list()),
        "strings": text(client.command_list(category="string")),
        "buckets": text(client.command_list(pattern="bucket.[ci]*")),
        "modules": text(client.command_list(module="json")),
        "keys": text(client.command_getkeys("HSET", "user:1", "name", "Ada")),
        "unknown": client.execute_command("COMMAND INFO", "nosuch"),
        "documented": len(client.execute_command("COMMAND DOCS")),
    }


for protocol in (2, 3):
    with redis.Redis(port=int(sys.argv[1]), protocol=protocol) as connected:
        print(json.dumps({"protocol": protocol, **described(connected)}))
