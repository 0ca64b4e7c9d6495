"""Loads the redis-server on ./redis.sock, reads its memory loaded and emptied, and ends it.

    redis_load.py REQUESTS

Prints `requests: N per second` (the harmonic mean over the commands, as if they were run in equal
parts), `loaded: N kB` after the load and `idle: N kB` one second after FLUSHALL. The server is ended
through its own socket, never by a signal.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

SOCKET = "redis.sock"
COMMANDS = "set,get,lpush,lpop,hset,zadd,mset"
WAIT_S = 20.0
IDLE_S = 1.0


def connect() -> socket.socket:
    """The server is about to start; its socket appears when it is ready."""
    end = time.monotonic() + WAIT_S
    while True:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(SOCKET)
            return link
        except OSError:
            link.close()
            if time.monotonic() > end:
                sys.exit("redis_load.py: the server did not come up")
            time.sleep(0.02)


def ask(link: socket.socket, *words: str) -> bytes:
    """One command, one line of answer."""
    body = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    link.sendall(f"*{len(words)}\r\n{body}".encode())
    answer = b""
    while not answer.endswith(b"\r\n"):
        part = link.recv(4096)
        if not part:
            break
        answer += part
    return answer


def server_kb(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def rates(text: str) -> list[float]:
    """`"SET","123456.78",…` lines of redis-benchmark --csv; its first line may be a heading."""
    cells = [line.split(",")[:2] for line in text.splitlines() if line.count(",") >= 1]
    return [float(rate.strip('"')) for name, rate in cells if "test" not in name]


def main() -> None:
    server = os.getppid()  # the script that started this has become the server, under the same number
    link = connect()
    load = f"-s {SOCKET} -t {COMMANDS} -n {sys.argv[1]} -r 100000 -d 300 -P 16 -c 8 --csv"
    command = ["redis-benchmark", *load.split()]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
    found = rates(done.stdout)
    if done.returncode != 0 or not found or min(found) <= 0:
        print(f"redis-benchmark failed: {done.stderr.strip() or done.stdout.strip()}", file=sys.stderr)
    else:
        loaded = server_kb(server)
        ask(link, "FLUSHALL", "SYNC")
        time.sleep(IDLE_S)
        print(f"requests: {len(found) / sum(1 / rate for rate in found):.1f} per second")
        print(f"loaded: {loaded} kB")
        print(f"idle: {server_kb(server)} kB", flush=True)
    ask(link, "SHUTDOWN", "NOSAVE")


main()
