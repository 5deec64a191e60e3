"""What the daemon asks, by its courier and its builders (ask.c), against the fake service."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import certificates
import pytest
from conftest import clean_environment
from fake_service import FakeService, Pod
from http1 import Fault

ROW = b'{"Client":{},"Server":{}}\n'


class Asker:
    def __init__(self, folder: Path, service: FakeService, pod: Pod) -> None:
        self.folder, self.service, self.pod = folder, service, pod

    def __call__(self, *words: str, ca: str = "-", secret: str | None = None) -> dict[str, Any]:
        program = os.environ.get("RADAR_POD_SERVICE_ASK")
        if not program:
            pytest.skip("RADAR_POD_SERVICE_ASK does not say where ask.c was built")
        environment = clean_environment(self.folder, POD=self.pod.unix_user, SECRET=secret or self.pod.secret)
        r = subprocess.run([program, self.service.url, ca, *words], capture_output=True, text=True, env=environment,
                           timeout=60)  # fmt: skip
        assert r.returncode == 0 and "Sanitizer" not in r.stderr, r.stderr
        return json.loads(r.stdout)

    def upload(self, content: bytes, *info: str, style: str = "NDT7", **more: str) -> dict[str, Any]:
        result = self.folder / "result"
        result.write_bytes(content)
        return self("upload", style, str(result), *info, **more)


@pytest.fixture
def ask(tmp_path: Path, service: FakeService) -> Asker:
    return Asker(tmp_path, service, service.add_pod())


def test_R9_me(ask: Asker) -> None:
    assert ask("me") == {"was_sent": True, "status": 200, "verdict": "done"}
    assert ask("me", secret="other")["verdict"] == "denied"
    assert ask.service.problems() == []


def test_R11_status(ask: Asker) -> None:
    assert ask("status", "first")["status"] == 200
    assert ask("status")["status"] == 200
    assert [q.json()["service_first_ping"] for q in ask.service.of("status")] == ["true", "false"]
    assert ask.service.problems() == []


def test_R14_status_denied(ask: Asker) -> None:
    assert ask("status", secret="other") | {"was_sent": True} == {"was_sent": True, "status": 403,
                                                                  "verdict": "denied"}  # fmt: skip


@pytest.mark.parametrize(("asked", "want"), [(True, True), (False, False), (None, False)])
def test_R12_status_test_requested(ask: Asker, asked: bool | None, want: bool) -> None:
    ask.pod.test_requested = asked
    assert ask("status")["test_requested"] is want


@pytest.mark.parametrize("where", ["/client_versions/2.5.0/x?signed=true&a=<b>", "{url}/client_versions/2.5.0/x"])
def test_R13_update_absolute_and_path(ask: Asker, where: str) -> None:
    ask.pod.update = {"version": "2.5.0", "url": where.format(url=ask.service.url)}
    answer = ask("status")
    path = where.removeprefix("{url}")
    assert (answer["update_version"], answer["update_url"]) == ("2.5.0", ask.service.url + path)


@pytest.mark.parametrize("where", ["https://evil.example/x", "//evil.example/x", "ftp://127.0.0.1/x", "http://a@b/"])
def test_R13_update_elsewhere(ask: Asker, where: str) -> None:
    ask.pod.update = {"version": "2.5.0", "url": where}
    answer = ask("status")
    assert answer["update_url"] is None and answer["update_refused"]


@pytest.mark.parametrize("content", [ROW, ROW * 40000, b"\r\n--\r\n" + bytes(range(256))], ids=["small", "1 MB", "any"])
def test_R29_upload(ask: Asker, content: bytes) -> None:
    assert ask.upload(content) == {"was_sent": True, "status": 201, "verdict": "done"}
    [measurement] = ask.service.measurements
    assert measurement.result == content
    assert (measurement.style, measurement.interface, measurement.wireless) == ("NDT7", "", False)
    assert measurement.connection_info is None and measurement.key
    assert ask.service.problems() == []


def test_R30_upload_by_radio(ask: Asker) -> None:
    info = {"signal": -51, "tx_speed": 433, "frequency": 5180, "channel": 36, "width": "80 MHz", "noise": -95}
    assert ask.upload(ROW, json.dumps(info), style="OOKLA")["status"] == 201
    [measurement] = ask.service.measurements
    assert measurement.wireless and measurement.connection_info == info and measurement.style == "OOKLA"
    assert ask.service.problems() == []


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (Fault(status=404), "denied"), (Fault(status=422), "refused"), (Fault(status=500), "later"),
        (Fault(status=503), "later"), (Fault(redirect="/clients/crl"), "later"),
        (Fault(redirect="/clients/crl", status=307), "later"),
    ],
    ids=["404", "422", "500", "503", "302", "307"],
)  # fmt: skip
def test_R38_upload_refused(ask: Asker, fault: Fault, verdict: str) -> None:
    ask.service.fail("upload", fault)
    assert ask.upload(ROW)["verdict"] == verdict
    assert len(ask.service.requests) == 1


@pytest.mark.parametrize("fault", [Fault(reset_at=0, after=True), Fault(cut_at=30, after=True), Fault(garbage=b"x\r\n")])
def test_upload_whose_answer_is_lost(ask: Asker, fault: Fault) -> None:
    ask.service.fail("upload", fault)
    answer = ask.upload(ROW)
    assert answer["error"] and answer["was_sent"] is True
    assert len(ask.service.requests) == 1


def test_R60_https_is_not_left(tmp_path: Path, service: FakeService) -> None:
    ca = str(certificates.authority())
    with FakeService(certificates.server_context("good")) as secure:
        ask = Asker(tmp_path, secure, secure.add_pod())
        assert ask("me", ca=ca)["status"] == 200
        secure.fail("me", Fault(redirect=service.url + "/api/v1/clients/me"))
        assert "from https to http" in ask("me", ca=ca)["error"]
    assert service.requests == []


def test_R60_credentials_stay_with_their_host(ask: Asker) -> None:
    with FakeService() as other:
        ask.service.fail("me", Fault(redirect=other.url + "/api/v1/clients/me"))
        assert ask("me")["status"] == 401
        [request] = other.requests
        assert request.all("Authorization") == []
