"""Which server the client chooses, and what it makes of refusals: N71 to N81 of the ndt7 contract."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import certificates
import fakes
import pod
import wire
from scripted import Connection, Nobody, Script, Server, by_test, in_turn, refuse

pytestmark = pytest.mark.at_once


def ask(answer: Any, *args: str, scheme: str = "ws", **how: Any) -> tuple[Server, pod.Outcome]:
    """A test that asks a locate service with this answer (bytes or a script)."""
    script = answer if callable(answer) else fakes.locate(answer)
    with Server(script) as service:
        outcome = pod.test("--locate-url", fakes.locate_url(service), "--scheme", scheme, *args, **how)
    return service, outcome


nobodies: list[Nobody] = []  # their ports are theirs until the end


def dead() -> dict[str, Any]:
    """A target where nothing listens."""
    nobodies.append(Nobody())
    return fakes.target(nobodies[-1])


def test_one_request_serves_both_directions():
    with Server(fakes.both) as server:
        service, outcome = ask(fakes.listing(fakes.target(server)))
    assert outcome.status == 0, outcome
    assert len(service.connections) == 1 and len(server.connections) == 2
    assert outcome.result["server"]["via"] == "locate"
    assert outcome.result["server"]["machine"] == f"mlab1-tst{server.port}.example"


def test_N71_dead_first_target():
    with Server(fakes.both) as server:
        service, outcome = ask(fakes.listing(dead(), fakes.target(server)))
    assert outcome.status == 0, outcome
    assert len(service.connections) == 1
    served = [(a["test"], a["served"]) for a in outcome.result["attempts"]]
    assert served == [("download", False), ("download", True), ("upload", True)], "the upload begins where it worked"


def test_N72_all_dead():
    service, outcome = ask(fakes.listing(dead(), dead(), dead()), "--download")
    assert outcome.status == 1, outcome
    assert len(service.connections) == 1
    urls = [a["url"] for a in outcome.result["attempts"]]
    assert len(urls) == len(set(urls)) == 3
    assert re.search("refused", outcome.stderr, re.IGNORECASE) and "3 servers" in outcome.stderr, outcome


def test_the_upload_is_refused_after_a_good_download():
    """The load limiter of a server does that: the next target serves, or the download stands alone."""
    first = by_test(fakes.download, refuse(503))
    with Server(first) as one, Server(fakes.both) as two:
        _, outcome = ask(fakes.listing(fakes.target(one), fakes.target(two)))
    assert outcome.status == 0 and outcome.upload, outcome
    with Server(first) as one:
        _, outcome = ask(fakes.listing(fakes.target(one)))
    assert outcome.status == 3, outcome
    assert outcome.download and outcome.result["upload"] is None
    assert [e["test"] for e in outcome.result["errors"]] == ["upload"]


def test_targets_in_the_order_given():
    asked: list[int] = []

    def note(number: int) -> Script:
        def script(c: Connection) -> None:
            asked.append(number)
            refuse(503)(c)

        return script

    with Server(note(1)) as a, Server(note(2)) as b, Server(note(3)) as d, Server(note(4)) as e:
        ask(fakes.listing(*map(fakes.target, (a, b, d, e))), "--download")
    assert asked == [1, 2, 3, 4]


ERROR = {"error": {"type": "nearest", "title": "Failed to look up nearest machines", "status": 500}}
HTML = "<html><head><title>502</title></head></html>"


def half(c: Connection) -> None:
    c.read_request()
    c.send(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"results":[{"machine":"mlab1')


def as_json(body: Any, status: int = 200) -> bytes:
    return wire.answer(status, body if isinstance(body, str) else json.dumps(body), "Content-Type: application/json")


BIG = as_json({"results": [], "filler": "x" * (1 << 20)})

# name: (answer, words of the message)
NO_SERVERS: dict[str, tuple[Any, str]] = {
    "N73 204": (b"HTTP/1.1 204 No Content\r\n\r\n", "204|capacity"),
    "N73 empty object": (as_json({}), "empty|no server|none"),
    "N73 no results": (as_json({"results": []}), "empty|no server|none"),
    "N73 results of another kind": (as_json({"results": 17}), "results|list|empty"),
    "N73 500 JSON": (as_json(ERROR, 500), "500.*Failed to look up"),
    "N73 500 HTML": (wire.answer(500, HTML, "Content-Type: text/html"), "500"),
    "N73 503": (as_json({"error": {"type": "nearest", "title": "No location", "status": 503}}, 503), "country.*503"),
    "N73 200 HTML": (wire.answer(200, HTML, "Content-Type: text/html"), "JSON"),
    "N73 JSON cut short": (half, "cut|closed|transfer|ended|remain"),
    "N73 JSON broken": (as_json('{"results":[{"machine":'), "JSON"),
    "N73 JSON array": (as_json([]), "JSON|object"),
    "N73 JSON deep": (as_json("[" * 100_000), "JSON"),
    "N73 1 MiB": (BIG, "large|more than|over|ceiling|limit|KiB|bytes"),
    "N74 429": (as_json({"error": {"type": "client", "title": "Too many", "status": 429}}, 429), "429"),
    "401": (as_json({"error": {"type": "auth", "title": "No token", "status": 401}}, 401), "401"),
    "404": (refuse(404, HTML), "404"),
    "no URLs": (as_json({"results": [{"machine": "m", "urls": {}}]}), "url|empty|none|no server"),
    "URLs are no text": (as_json({"results": [{"urls": {"ws:///ndt/v7/download": 5}}]}), "url|empty|none|no server"),
    "URLs of no test": (as_json({"results": [{"urls": {"ws:///ndt/v8/x": "ws://127.0.0.1/"}}]}), "url|empty|none"),
    "URLs of another kind": (
        as_json({"results": [{"urls": {"ws:///ndt/v7/download": "file:///etc/passwd"}}]}), "url|empty|none|scheme"),
    "redirects without end": (lambda c: refuse(302, b"", f"Location: /{id(c)}")(c), "redirect"),
    "garbage": (lambda c: (c.read_request(), c.send(b"\x16\x03\x01 no HTTP\r\n\r\n")), "http|protocol|header"),
    "end at once": (lambda c: c.read_request(), "nothing"),
}  # fmt: skip


@pytest.mark.parametrize("answer, words", NO_SERVERS.values(), ids=NO_SERVERS)
def test_no_servers(answer: Any, words: str):
    service, outcome = ask(answer, "--stats", "tcp_info")  # the end does not wait for BPF programs to be loaded
    assert outcome.status == 1, outcome
    assert outcome.result["download"] is None and outcome.result["upload"] is None
    assert re.search(words, outcome.stderr, re.IGNORECASE | re.DOTALL), outcome
    assert "locate" in outcome.stderr and str(service.port) in outcome.stderr, outcome
    assert "hint:" in outcome.stderr, outcome
    if "redirect" not in words:
        assert len(service.connections) == 1, "it asked again at once"
    assert outcome.seconds_since(service.connections[0]) < pod.LATE_S


# name: (answer, from and to how many seconds later it may be asked again)
AGAIN: dict[str, tuple[Any, float, float]] = {
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 45, 75),
    "500": (as_json(ERROR, 500), 45, 75),
    "503 of a front end": (wire.answer(503, HTML, "Content-Type: text/html"), 45, 75),
    "429": (as_json({"error": {"type": "client", "title": "Too many", "status": 429}}, 429), 3600, 3600),
    "429 with a time": (wire.answer(429, "", "Retry-After: 77"), 77, 77),
    "503 with a time": (wire.answer(503, "", "Retry-After: 77"), 77, 77),
}


@pytest.mark.parametrize("answer, least, most", AGAIN.values(), ids=AGAIN)
def test_N80_a_single_test_says_when_to_try_again(answer: bytes, least: float, most: float):
    service, outcome = ask(answer)
    assert outcome.status == 1 and len(service.connections) == 1, outcome
    assert len(outcome.result["errors"]) == 2
    for error in outcome.result["errors"]:
        assert least <= error["retry_after_s"] <= most
    assert re.search(r"try again in \d+ (s|min)\b", outcome.stderr), outcome


def test_N75_redirect_is_followed():
    with Server(fakes.both) as server:
        listing = fakes.listing(fakes.target(server))
        service, outcome = ask(in_turn([refuse(302, b"", "Location: /v2/elsewhere?x=1"), fakes.locate(listing)]))
    assert outcome.status == 0, outcome
    assert service.connections[1].request.target == "/v2/elsewhere?x=1"


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
def test_N75_a_redirect_to_another_protocol_is_not(where: str):
    _, outcome = ask(refuse(302, b"", f"Location: {where}"), "--download")
    assert outcome.status == 1, outcome
    assert "root:" not in outcome.stdout + outcome.stderr


def test_N76_targets_without_the_scheme_are_skipped():
    with Server(fakes.both, tls=certificates.server_context()) as secure, Server(fakes.both) as plain:
        _, outcome = ask(fakes.listing(fakes.target(secure), fakes.target(plain)), scheme="ws")
    assert outcome.status == 0, outcome
    assert not secure.connections and len(plain.connections) == 2
    assert len(outcome.result["attempts"]) == 2


def test_N76_all_of_another_scheme():
    with Server(fakes.both, tls=certificates.server_context()) as secure:
        _, outcome = ask(fakes.listing(fakes.target(secure)), scheme="ws")
    assert outcome.status == 1, outcome
    assert "ws" in outcome.stderr and "--scheme" in outcome.stderr, outcome
    assert not secure.connections


def test_N76_wss_targets():
    with Server(fakes.both, tls=certificates.server_context()) as secure:
        _, outcome = ask(fakes.listing(fakes.target(secure)), "--ca-file", str(certificates.authority()), scheme="wss")
    assert outcome.status == 0, outcome
    assert len(secure.connections) == 2


def test_N77_the_url_is_used_as_given():
    given = f"access_token={fakes.TOKEN}&index=0&locate_version=v2&metro_rank=0&client_other=a%2Fb&early_exit=250"
    with Server(fakes.both) as server:
        _, outcome = ask(fakes.listing(fakes.target(server, query=given)))
    assert outcome.status == 0, outcome
    for connection in server.connections:
        sent = connection.request.target.split("?", 1)[1].split("&")
        assert set(given.split("&")) <= set(sent)
        added = {pair.split("=")[0] for pair in sent} - {pair.split("=")[0] for pair in given.split("&")}
        assert added == {"client_arch", "client_library_name", "client_library_version", "client_name", "client_os",
                         "client_version"}  # fmt: skip


def test_N78_the_token_is_told_to_nobody():
    """It stands in the URL that is opened, and nowhere in what is said, whatever goes wrong."""
    outputs = []
    for script in (fakes.both, refuse(404), lambda c: c.read_request()):
        for format in ("json", "jsonl", "human"):
            with Server(script) as server:
                outputs.append(ask(fakes.listing(fakes.target(server)), format=format)[1])
    for outcome in outputs:
        assert "eyJhbGciOiJFZERTQSJ9" not in outcome.stdout + outcome.stderr, outcome


def test_N78_the_bearer_token():
    """It comes by the environment, goes into one field of one request, and is told to nobody."""
    secret = "eyJ-secret-of-an-integration"
    outputs = []
    with Server(fakes.both) as server:
        for answer in (fakes.listing(fakes.target(server)), as_json({"error": {"title": f"bad {secret}"}}, 401)):
            service, outcome = ask(answer, env={"RADAR_POD_LOCATE_TOKEN": secret})
            assert service.only.request.all("Authorization") == [f"Bearer {secret}"]
            outputs.append(outcome)
        assert not any(secret in str(c.request) for c in server.connections)
    assert [o.status for o in outputs] == [0, 1]
    assert not any(secret in o.stdout + o.stderr for o in outputs)


def test_N78_the_bearer_token_does_not_follow_a_redirect_elsewhere():
    with Server(fakes.locate(fakes.listing()), host="127.0.0.2") as elsewhere:
        away = refuse(302, b"", f"Location: http://{elsewhere.address}/")
        ask(away, "--download", env={"RADAR_POD_LOCATE_TOKEN": "secret"})
    assert not elsewhere.only.request.all("Authorization")


def test_what_is_asked_for():
    with Server(fakes.both) as server:
        wishes = ["--country", "DE", "--site", "fra01", "--org", "mlab", "--early-exit"]
        service, outcome = ask(fakes.listing(fakes.target(server)), *wishes)
    assert outcome.status == 0, outcome
    request = service.only.request
    assert request.method == "GET" and request.path == "/v2/nearest/ndt/ndt7"
    assert {("country", "DE"), ("site", "fra01"), ("org", "mlab"), ("early_exit", "250")} <= set(request.query)
    assert re.match(r"radar-pod/\d", request.get("User-Agent"))
    assert not request.all("Authorization")
    assert ("early_exit", "250") in server.connections[0].request.query


def test_by_default_nothing_is_asked_for():
    with Server(fakes.both) as server:
        service, _ = ask(fakes.listing(fakes.target(server)))
    assert service.only.request.target == "/v2/nearest/ndt/ndt7"


def test_our_own_server_is_a_locate_service():
    with pod.own_serve() as server:
        address = f"http://{server.addresses['ws']}/v2/nearest/ndt/ndt7"
        outcome = pod.test("--locate-url", address, "--scheme", "ws", "--download", "--max-bytes", "1MB")
    assert outcome.status == 0, outcome
    assert outcome.result["server"]["via"] == "locate"


def test_N81_the_suite_stays_on_this_machine():
    for words in (["--download"], ["--server", "measurementlab.net"], ["--locate-url=https://example.org/"]):
        with pytest.raises(AssertionError):
            pod.check_stays_here(words)
