"""What the contract asks of each request (its facts marked [W], and checks R5, R8, R9, R11, R29, R30): a sentence for
each rule that is broken. The fake service looks at everything that comes by these."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from http1 import Part, Request

TOKEN_ENDPOINTS = {"assign", "me", "status"}
JSON_ENDPOINTS = {"register", "assign", "status"}
REGISTER_KEYS = {"registration_token", "name", "register_label"}
NETWORK_KEYS = {"id", "name", "latitude", "longitude", "address", "expected_mbps_down", "expected_mbps_up"}
STATUS_KEYS = {
    "version": str, "distribution": str, "watchdog_version": str, "os_version": str, "hardware_platform": str,
    "service_first_ping": str, "network_interfaces": list,
}  # fmt: skip
PARTS = {
    "measurement[style]": None, "client_secret": None, "measurement[interface]": None, "measurement[wireless]": None,
    "connection_info": None, "measurement[result]": "application/octet-stream",
}  # fmt: skip
NEEDED_PARTS = {"measurement[style]", "client_secret", "measurement[result]"}
INTEGERS = {"signal", "tx_speed", "frequency", "channel", "noise"}


def problems(request: Request) -> list[str]:
    found = [*_of_all(request), *_of_credentials(request)]
    try:
        found += _of_body(request)
    except (AssertionError, ValueError) as wrong:
        found.append(f"the body: {wrong}")
    return found


def credentials(request: Request) -> tuple[str, str] | None:
    """Pod and secret of a ClientToken header that is as it should be."""
    scheme, _, value = (request.header("Authorization") or "").partition(" ")
    try:
        pair = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return None
    pod, colon, secret = pair.partition(":")
    whole = base64.b64encode(pair.encode()).decode() == value
    return (pod, secret) if scheme == "ClientToken" and colon and whole else None


def _of_all(q: Request) -> Iterator[str]:
    if q.all("Accept") != ["application/json"]:
        yield f"Accept is {q.all('Accept')}"
    for name in ("Host", "User-Agent"):
        if len(q.all(name)) != 1:
            yield f"{name} is {q.all(name)}"
    for name in ("Cookie", "Expect", "Transfer-Encoding", "Referer"):
        if q.all(name):
            yield f"{name} is sent"
    if q.method == "POST" and len(q.all("Content-Length")) != 1:
        yield f"Content-Length is {q.all('Content-Length')}"
    if len(q.all("Content-Type")) > 1:
        yield f"Content-Type is {q.all('Content-Type')}"


def _of_credentials(q: Request) -> Iterator[str]:
    given = credentials(q)
    if q.endpoint in TOKEN_ENDPOINTS and not given:
        yield f"Authorization is {q.all('Authorization')}"
    if given and given[1] in q.target:
        yield "the secret is in the URL"
    if q.endpoint == "register" and q.all("Authorization"):
        yield "registration is anonymous, and Authorization is sent"


def _of_body(q: Request) -> Iterator[str]:
    if q.endpoint in JSON_ENDPOINTS:
        if q.header("Content-Type") != "application/json":
            yield f"Content-Type is {q.header('Content-Type')}"
        yield from {"register": _register, "assign": _assign, "status": _status}[q.endpoint](q.json())
    elif q.endpoint == "upload":
        yield from _upload(q, {part.name: part for part in q.parts()})


def _register(body: dict[str, Any]) -> Iterator[str]:
    if set(body) != REGISTER_KEYS:
        yield f"registration has the keys {sorted(body)}"
    yield from (f"{key} is {value!r}" for key, value in body.items() if not isinstance(value, str | None))


def _assign(body: dict[str, Any]) -> Iterator[str]:
    if set(body) - {"network"} != {"token"} or not isinstance(body["token"], str):
        yield f"assignment has the keys {sorted(body)}"
    for key, value in body.get("network", {}).items():
        if key not in NETWORK_KEYS:
            yield f"a network has the key {key}"
        if value is None and key != "id":
            yield f"a network's {key} is sent, and null"  # R5


def _status(body: dict[str, Any]) -> Iterator[str]:
    if set(body) - {"disk_full"} != set(STATUS_KEYS) or body.get("disk_full", True) is not True:  # D4: where it is
        yield f"a heartbeat has the keys {sorted(body)}"
    for key, kind in STATUS_KEYS.items():
        if not isinstance(body.get(key), kind):
            yield f"{key} is {body.get(key)!r}"
    if body.get("service_first_ping") not in ("true", "false"):
        yield f"service_first_ping is {body.get('service_first_ping')!r}"  # R11


def _upload(q: Request, parts: dict[str, Part]) -> Iterator[str]:
    if len(parts) != len(q.parts()):
        yield "a part comes twice"
    yield from (f"the part {name} is unknown" for name in parts if name not in PARTS)
    yield from (f"the part {name} is missing" for name in NEEDED_PARTS - set(parts))
    for name, part in parts.items():
        if part.type != PARTS.get(name):
            yield f"the part {name} has the type {part.type}"
        if part.filename != ("result.json" if name == "measurement[result]" else None):
            yield f"the part {name} has the file name {part.filename}"
        if (q.boundary() or "").encode() in part.content:
            yield f"the boundary occurs in {name}"
    if NEEDED_PARTS <= set(parts):
        yield from _style_and_radio({name: part.content.decode(errors="replace") for name, part in parts.items()})
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", q.header("Idempotency-Key") or ""):
        yield f"Idempotency-Key is {q.all('Idempotency-Key')}"


def _style_and_radio(parts: dict[str, str]) -> Iterator[str]:
    if parts["measurement[style]"] not in ("NDT7", "OOKLA"):
        yield f"the style is {parts['measurement[style]']}"  # R35
    wireless = parts.get("measurement[wireless]")
    if wireless not in ("true", "false", None):
        yield f"wireless is {wireless}"
    if "connection_info" not in parts:
        return
    if wireless != "true":
        yield "connection_info comes without wireless"
    info = json.loads(parts["connection_info"])
    yield from (f"{key} is {info[key]!r}" for key in INTEGERS & set(info) if type(info[key]) is not int)  # R30
