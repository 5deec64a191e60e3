"""Whom the client believes, and what it says in TLS: N44 to N46 of the ndt7 contract, H4."""

from __future__ import annotations

import os
import re
import socket
import ssl

import pytest

import certificates
import fakes
import pod
from scripted import Connection, Server

pytestmark = pytest.mark.at_once

GOOD = ("good", "good rsa", "by intermediate")

# name: what the message says of it
BAD = {
    "expired": "expired",
    "not yet valid": "not yet valid",
    "other host": "mismatch|host",
    "other address": "mismatch|host|address",
    "address as a name": "mismatch|host|address",
    "wildcard of nothing": "mismatch|host",
    "host below": "mismatch|host",
    "self-signed": "self-signed",
    "unknown authority": "issuer",
    "unknown authority, sent along": "self-signed|issuer",
    "intermediate missing": "issuer",
    "intermediate expired": "expired",
    "signed by a leaf": "CA",
    "signed by one that may not": "CA|usage",
    "outside the name constraint": "subtree",
    "chain too long": "path length",
    "for clients only": "purpose",
    "for mail only": "purpose",
    "1024-bit key": "key too (weak|small)",
    "sha-1 signature": "digest|weak",
    "unknown critical extension": "critical extension",
}
BY_ADDRESS = ("other address", "address as a name")


def against(certificate: str, *args: str, version: ssl.TLSVersion | None = None, script=fakes.both):
    """A test against a server with that certificate, reached by the name or address it is about."""
    with Server(script, tls=certificates.server_context(certificate, version)) as server:
        host = "127.0.0.1" if certificate in BY_ADDRESS else "localhost"
        outcome = pod.test("--server", server.url(host=host), "--ca-file", certificates.authority(), *args)
    return server, outcome


def check_refused(server: Server, outcome: pod.Outcome, words: str) -> None:
    assert outcome.status == 1, outcome
    assert outcome.result["download"] is None
    assert re.search(words, outcome.stderr, re.IGNORECASE), outcome
    assert str(server.port) in outcome.stderr and "hint:" in outcome.stderr, outcome
    assert not any(c.request for c in server.connections), "it sent a request to a server it does not believe"


def test_every_bad_certificate_is_tried():
    assert set(BAD) == set(certificates.LEAVES) - set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_N44_believed(name: str):
    _, outcome = against(name)
    assert outcome.status == 0, outcome
    assert outcome.result["scheme"] == "wss"
    assert outcome.result["tls"]["version"] == "TLSv1.3" and outcome.result["tls"]["verified"]


@pytest.mark.parametrize("name", BAD)
def test_N44_H4_refused(name: str):
    server, outcome = against(name, "--download")
    check_refused(server, outcome, BAD[name])
    error = outcome.result["errors"][0]
    assert error["domain"] == "tls" and error["detail"], error


@pytest.mark.parametrize("name", ["expired", "other host", "self-signed", "unknown authority"])
def test_N44_taken_when_told_so(name: str):
    _, outcome = against(name, "--download", "--insecure")
    assert outcome.status == 0, outcome
    assert outcome.warned("not verified")
    assert not outcome.result["tls"]["verified"]


def test_N44_the_system_does_not_know_our_authority():
    with Server(fakes.both, tls=certificates.server_context()) as server:
        outcome = pod.test("--server", server.url(host="localhost"), "--download")
    check_refused(server, outcome, "issuer|self-signed")
    assert re.search("--ca-file|--insecure", outcome.stderr), outcome


OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]


@pytest.mark.parametrize("version", OLD, ids=[v.name for v in OLD])
def test_N45_too_old(version: ssl.TLSVersion):
    server, outcome = against("good", "--download", "--insecure", version=version)
    check_refused(server, outcome, "version|protocol")


def test_N45_tls_1_2():
    _, outcome = against("good", version=ssl.TLSVersion.TLSv1_2)
    assert outcome.status == 0, outcome
    assert outcome.result["tls"]["version"] == "TLSv1.2"


def test_N45_name_and_alpn():
    asked: list[str | None] = []
    chosen: list[str | None] = []
    context = certificates.server_context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    def script(c: Connection) -> None:
        chosen.append(c.sock.selected_alpn_protocol())
        fakes.both(c)

    with Server(script, tls=context) as server:
        outcome = pod.test("--server", server.url(host="localhost"), "--ca-file", certificates.authority())
    assert outcome.status == 0, outcome
    assert set(asked) == {"localhost"}
    assert set(chosen) <= {"http/1.1", None}  # the server would have liked h2


def test_no_name_is_sent_for_an_address():
    """RFC 6066 section 3: literal addresses are not permitted in it."""
    asked: list[str | None] = []
    context = certificates.server_context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with Server(fakes.both, tls=context) as server:
        outcome = pod.test("--server", server.url(), "--ca-file", certificates.authority())
    assert outcome.status == 0, outcome
    assert set(asked) == {None}


def test_N46_end_without_close_notify():
    """After the closing handshake of the WebSocket it is normal."""
    _, outcome = against("good", "--download", script=fakes.download)
    assert outcome.status == 0 and outcome.download["complete"], outcome


def test_N46_cut_in_the_middle():
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(100_000)
        c.watch(0.2)
        c.sock.shutdown(2)

    _, outcome = against("good", "--download", script=script)
    assert outcome.status == 3, outcome
    assert outcome.download["bytes"] == 100_000


def test_a_broken_record():
    """Somebody on the way changes a byte: it ends there, with what came before."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(50_000)
        c.watch(0.2)
        raw = socket.socket(fileno=c.sock.detach())
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        raw.settimeout(2)
        while raw.recv(4096):
            pass
        raw.close()

    _, outcome = against("good", "--download", script=script)
    assert outcome.status == 3, outcome
    assert outcome.download["bytes"] == 50_000
    assert outcome.warned("broke|TLS|record|mac"), outcome


@pytest.mark.parametrize(
    "hello, words",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS|version|ssl", id="http"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x28", "handshake|alert", id="alert"),
        pytest.param(b"\x16\x03\x03\xff\xff" + b"\x02" * 300, "TLS|length|ssl|decode|record", id="record too long"),
        pytest.param(b"", "TLS|closed|ended", id="end"),
    ],
)
def test_no_tls_at_all(hello: bytes, words: str):
    def script(c: Connection) -> None:
        c.sock.settimeout(5)
        c.sock.recv(4096)
        c.send(hello)

    with Server(script) as server:
        outcome = pod.test("--server", f"wss://127.0.0.1:{server.port}", "--download")
    assert outcome.status == 1, outcome
    assert re.search(words, outcome.stderr, re.IGNORECASE) and str(server.port) in outcome.stderr, outcome


def test_ws_to_a_server_of_wss():
    with Server(fakes.both, tls=certificates.server_context()) as server:
        outcome = pod.test("--server", f"ws://127.0.0.1:{server.port}", "--download")
    assert outcome.status == 1, outcome
    assert str(server.port) in outcome.stderr


def test_what_broke_tls_within_a_test_is_told():
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(1 << 16)
        with socket.socket(fileno=os.dup(c.sock.fileno())) as plain:
            plain.sendall(b"this is no TLS record")
        c.pause(1)

    _, outcome = against("good", "--download", script=script)
    assert outcome.status == 3, outcome
    assert outcome.warned("connection broke.*: could not .*(record|version)"), outcome
