"""The pod service, as far as a pod can tell, with every failure that the contract lists, one request at a time.

    with FakeService() as service:
        service.fail("register", Fault(status=500), Fault(reset_at=10))    the first fails so, the second so
        …  service.url  …
        assert service.problems() == []
        [request] = service.of("register")

It runs in a thread of its own. `service.requests` is everything that came, in order, each with the rules that it broke
(rules.py); `service.record(path)` writes them as JSON lines. What asks for an upgrade goes to `on_upgrade`, an async
function of (service, request, reader, writer), which owns the connection then.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import rules
from http1 import HEAD_BYTES_MAX, Answer, Fault, Request, read_request, send

POD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
Upgrade = Callable[["FakeService", Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclasses.dataclass
class Pod:
    id: int
    unix_user: str
    secret: str
    name: str | None = None
    register_label: str | None = None
    account_id: int | None = None
    location_id: int | None = None
    test_requested: bool | None = None
    update: dict[str, str] | None = None
    has_watchdog: bool = False

    def row(self) -> dict[str, Any]:
        keys = ("id", "unix_user", "name", "register_label", "account_id", "location_id", "test_requested")
        return {key: getattr(self, key) for key in keys} | {"address": None, "endpoint_host": None, "public_key": None}


@dataclasses.dataclass
class Measurement:
    pod: str
    style: str
    interface: str
    wireless: bool
    connection_info: dict[str, Any] | None
    result: bytes
    key: str | None


def answer_json(status: int, value: Any) -> Answer:
    """As the service writes it: with three signs escaped."""
    text = json.dumps(value, separators=(",", ":"))
    for sign in "&<>":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Answer(status, text.encode())


def empty(status: int) -> Answer:
    return Answer(status)


class FakeService:
    ENDPOINTS = (
        ("register", "POST", r"/api/v1/clients"),
        ("assign", "POST", r"/api/v1/clients/assign"),
        ("me", "GET", r"/api/v1/clients/me"),
        ("socket", "GET", r"/api/v1/clients/ws"),
        ("status", "POST", r"/clients/([^/]+)/status"),
        ("upload", "POST", r"/clients/([^/]+)/measurements"),
        ("watchdog", "POST", r"/clients/([^/]+)/watchdog_status"),
        ("crl", "GET", r"/clients/crl"),
    )

    def __init__(
        self, tls: ssl.SSLContext | None = None, on_upgrade: Upgrade | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.pods: dict[str, Pod] = {}
        self.accounts = {"Vd3-account-token": 12}
        self.super_tokens = {"super-token"}
        self.measurements: list[Measurement] = []
        self.crl = b"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"
        self.requests: list[Request] = []
        self.on_upgrade = on_upgrade
        self.host = host
        self._faults: dict[str, list[Fault]] = {}
        self._always: dict[str, Fault] = {}
        self._tls = tls
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.port = 0

    # --- for the test ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def fail(self, endpoint: str, *faults: Fault) -> None:
        """The next requests there, one fault each."""
        with self._lock:
            self._faults.setdefault(endpoint, []).extend(faults)

    def fail_always(self, endpoint: str, fault: Fault | None) -> None:
        """All that no fail() is left for; None: no more."""
        with self._lock:
            self._always[endpoint] = fault or Fault()

    def of(self, endpoint: str) -> list[Request]:
        return [request for request in list(self.requests) if request.endpoint == endpoint]

    def problems(self) -> list[str]:
        return [f"{request.endpoint}: {problem}" for request in list(self.requests) for problem in request.problems]

    def record(self, path: Path) -> None:
        path.write_text("".join(json.dumps(request.as_json()) + "\n" for request in list(self.requests)))

    def add_pod(self, unix_user: str = "rk7m2q9xw3zt", secret: str = "hT7wQ9mZp2K") -> Pod:
        pod = Pod(4700 + len(self.pods), unix_user, secret)
        self.pods[unix_user] = pod
        return pod

    def __enter__(self) -> FakeService:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # --- connections -------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._serve, self.host, 0, ssl=self._tls, limit=HEAD_BYTES_MAX)
        server = self._loop.run_until_complete(start)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the test is over
            request = await read_request(reader)
            if request:
                await self._take(request, reader, writer)
        writer.close()

    async def _take(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request.endpoint, pod = self._endpoint_of(request)
        if request.endpoint != "socket":
            request.problems = rules.problems(request)
        self.requests.append(request)
        fault = self._fault_of(request.endpoint)
        await asyncio.sleep(fault.delay_s)
        if request.endpoint == "socket" and self.on_upgrade and fault == Fault():
            await self.on_upgrade(self, request, reader, writer)
            return
        await send(writer, self._answer(request, pod, fault), fault)

    def _endpoint_of(self, request: Request) -> tuple[str, str]:
        for name, method, pattern in self.ENDPOINTS:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return name, match.group(1) if match.groups() else ""
        return "unknown", ""

    def _fault_of(self, endpoint: str) -> Fault:
        with self._lock:
            waiting = self._faults.get(endpoint)
            return waiting.pop(0) if waiting else self._always.get(endpoint, Fault())

    def _answer(self, request: Request, pod: str, fault: Fault) -> Answer:
        instead = self._instead(fault)
        lost = fault.silent or fault.reset_at is not None or fault.cut_at is not None or fault.garbage is not None
        if (instead or lost) and not fault.after:
            return instead or Answer(200, b"{}")
        done: Answer = getattr(self, f"_{request.endpoint}")(request, pod)
        return instead or done

    @staticmethod
    def _instead(fault: Fault) -> Answer | None:
        if fault.redirect is not None:
            return Answer(fault.status or 302, fault.body, headers=[("Location", fault.redirect)])
        return Answer(fault.status, fault.body) if fault.status is not None else None

    # --- endpoints ---------------------------------------------------------------------------------

    def _unknown(self, _request: Request, _pod: str) -> Answer:
        return Answer(404, b"Page not found", "text/plain")

    _socket = _unknown

    def _known(self, request: Request) -> Pod | None:
        given = rules.credentials(request)
        pod = self.pods.get(given[0]) if given else None
        return pod if pod and given and pod.secret == given[1] else None

    def _register(self, request: Request, _pod: str) -> Answer:
        wish = request.json()
        number = len(self.pods)
        pod = self.add_pod("r" + "".join(POD_ALPHABET[(number + i) % 32] for i in range(11)), f"hT7wQ9mZp{number:02}")
        pod.name, pod.register_label = wish.get("name"), wish.get("register_label")
        pod.has_watchdog = wish.get("registration_token") in self.super_tokens
        return answer_json(201, pod.row() | {"secret": pod.secret})

    def _assign(self, request: Request, _pod: str) -> Answer:
        pod, wish = self._known(request), request.json()
        if not pod:
            return empty(401)
        if wish["token"] not in self.accounts:
            return Answer(500, b"<html>", "text/html")
        network = wish.get("network")
        if network is not None:
            if network.get("id") is not None:
                return empty(404)
            somewhere = "address" in network or {"latitude", "longitude"} <= set(network)
            if not network.get("name") or not somewhere:
                return answer_json(422, {"errors": {"address": ["can't be <blank>"]}})
            pod.location_id = 99
        pod.account_id = self.accounts[wish["token"]]
        return answer_json(200, pod.row())

    def _me(self, request: Request, _pod: str) -> Answer:
        pod = self._known(request)
        return answer_json(200, pod.row()) if pod else empty(401)

    def _status(self, request: Request, name: str) -> Answer:
        if request.all("Accept") != ["application/json"]:
            return Answer(500, b"<html>", "text/html")
        pod = self._known(request)
        if not pod or pod.unix_user != name:
            return empty(403)
        update = {"update": pod.update} if pod.update else {}
        return answer_json(200, pod.row() | {"url": f"{self.url}/clients/{name}"} | update)

    _watchdog = _status

    def _upload(self, request: Request, name: str) -> Answer:
        if request.all("Accept") != ["application/json"]:
            return Answer(302, b"<html>", "text/html", [("Location", f"{self.url}/clients/{name}")])
        pod = self.pods.get(name)
        fields = {part.name: part for part in request.parts()}
        text = {key: part.content.decode(errors="replace") for key, part in fields.items()}
        result = fields.get("measurement[result]")
        if not pod or not result or result.filename is None:
            return Answer(500, b"<html>", "text/html")
        if text.get("client_secret") != pod.secret:
            return empty(404)
        wireless = text.get("measurement[wireless]") == "true"
        info = json.loads(text["connection_info"]) if wireless and "connection_info" in text else None
        made = Measurement(name, text["measurement[style]"], text.get("measurement[interface]", ""), wireless, info,
                           result.content, request.header("Idempotency-Key"))  # fmt: skip
        self.measurements.append(made)
        pod.test_requested = False
        return answer_json(201, {"id": len(self.measurements), "style": made.style, "client_id": pod.id})

    def _crl(self, _request: Request, _pod: str) -> Answer:
        return Answer(200, self.crl, "application/x-pem-file")
