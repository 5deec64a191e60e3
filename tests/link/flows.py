"""TCP connections, one after the other, or one that is never done:

    flows.py serve ADDRESS PORT | connect ADDRESS PORT N
    flows.py pour ADDRESS PORT | drain ADDRESS PORT SECONDS

`drain` reads for so long in the middle of a stream, and prints when it began and ended by
time.monotonic_ns(), and the bytes in between.
"""

import contextlib
import json
import socket
import sys
import time

SETTLE_NS = 300_000_000  # for the stream to fill the link


def serve(address: str, port: int) -> None:
    with socket.create_server((address, port), backlog=1024) as listener:
        while True:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(peer.recv(16))


def connect(address: str, port: int, count: int) -> None:
    for i in range(count):
        with socket.create_connection((address, port), timeout=10) as s:
            s.sendall(b"x")
            if s.recv(16) != b"x":
                sys.exit(f"connection {i} was not answered")


def pour(address: str, port: int) -> None:
    data = bytes(65536)
    with socket.create_server((address, port)) as listener:
        peer, _ = listener.accept()
        with peer, contextlib.suppress(ConnectionError):
            while True:
                peer.sendall(data)


def drain(address: str, port: int, seconds: float) -> None:
    with socket.create_connection((address, port), timeout=10) as s:
        until_ns = time.monotonic_ns() + SETTLE_NS
        while time.monotonic_ns() < until_ns:
            s.recv(65536)
        begin_ns = end_ns = time.monotonic_ns()
        count = 0
        while end_ns < begin_ns + seconds * 1e9:
            count += len(s.recv(65536))
            end_ns = time.monotonic_ns()
    json.dump({"begin_ns": begin_ns, "end_ns": end_ns, "bytes": count}, sys.stdout)


if __name__ == "__main__":
    what, address, port, *more = sys.argv[1:]
    if what == "serve":
        serve(address, int(port))
    elif what == "pour":
        pour(address, int(port))
    elif what == "drain":
        drain(address, int(port), float(more[0]))
    else:
        connect(address, int(port), int(more[0]))
