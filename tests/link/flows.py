"""So many TCP connections, one after the other: flows.py serve ADDRESS PORT | connect ADDRESS PORT N"""

import socket
import sys


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


if __name__ == "__main__":
    what, address, port, *count = sys.argv[1:]
    if what == "serve":
        serve(address, int(port))
    else:
        connect(address, int(port), int(count[0]))
