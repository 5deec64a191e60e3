"""A Sentry server on a port of loopback: takes envelopes apart strictly, and answers as it is told."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

KEY, PROJECT = "0123456789abcdef0123456789abcdef", "7"
BODY_BYTES_MAX = 1024 * 1024


@dataclass
class Envelope:
    at: float
    path: str
    headers: dict[str, str]  # names in lower case
    sent: bytes  # as it came
    header: dict[str, Any]
    items: list[tuple[dict[str, Any], Any]]

    def events(self) -> list[dict[str, Any]]:
        return [payload for head, payload in self.items if head["type"] == "event"]


def read_envelope(body: bytes) -> tuple[dict[str, Any], list[tuple[dict[str, Any], Any]]]:
    line, _, rest = body.partition(b"\n")
    items = []
    while rest:
        head_line, _, rest = rest.partition(b"\n")
        head = json.loads(head_line)
        payload, end, rest = rest[: head["length"]], rest[head["length"] : head["length"] + 1], rest[head["length"] + 1 :]
        assert len(payload) == head["length"] and end in (b"", b"\n"), "an item is not as long as it says"
        items.append((head, json.loads(payload)))
    return json.loads(line), items


class FakeSentry:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.problems: list[str] = []
        self.status = 200
        self.answer_headers: dict[str, str] = {}
        self.silent_s = 0.0  # before each answer
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake._take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self._server.server_address[1]}/{PROJECT}"

    def events(self) -> list[dict[str, Any]]:
        return [event for envelope in list(self.envelopes) for event in envelope.events()]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, request: http.server.BaseHTTPRequestHandler) -> None:
        length = int(request.headers["Content-Length"])
        assert length <= BODY_BYTES_MAX
        sent = request.rfile.read(length)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            body = gzip.decompress(sent) if headers.get("content-encoding") == "gzip" else sent
            header, items = read_envelope(body)
            self.envelopes.append(Envelope(time.monotonic(), request.path, headers, sent, header, items))
        except Exception as wrong:  # noqa: BLE001  whatever it is, the test is to see it
            self.problems.append(f"{wrong!r}: {sent[:200]!r}")
        if self.silent_s:
            time.sleep(self.silent_s)
        answer = b"{}"
        request.send_response(self.status)
        for name, value in self.answer_headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)
