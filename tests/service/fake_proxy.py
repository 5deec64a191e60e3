"""An HTTP proxy that knows CONNECT alone, on a port of loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class FakeProxy:
    """`answer` is what it says instead of going through, where it is set; b"" is nothing at all."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.heard_at: list[float] = []  # one for each of them
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            got = client.recv(4096)
            if not got:
                return
            head += got
        self.heard_at.append(time.monotonic())
        self.requests.append(head.decode())
        if self.answer is not None:
            client.sendall(self.answer)
            with contextlib.suppress(OSError):
                while client.recv(65536):  # until it goes; what follows the head, unread, would be a reset
                    pass
            client.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        server = socket.create_connection((host.strip("[]"), int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: fake\r\n\r\n")
        back = threading.Thread(target=self._pass, args=(server, client), daemon=True)
        back.start()
        self._pass(client, server)
        back.join()
        client.close()
        server.close()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
