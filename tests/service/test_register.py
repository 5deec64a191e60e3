"""`radar-pod register` against the fake service: checks R1 to R5, R8, R9, R28, R29 of the contract by number."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import certificates
import pytest
from conftest import Machine
from http1 import Fault

TOKEN = "Vd3-account-token"
DONE, NOT_DONE, USAGE, PARTLY, BAD_FILE = range(5)
LIBRARY = ("--create-network", "--network-name", "Library", "--network-address", "1 Main St")


def wait_for(what: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


# --- what is asked ---------------------------------------------------------------------------------


def test_R1_one_request_with_the_three_keys(machine: Machine) -> None:
    r = machine.register()
    assert r.returncode == DONE, r.stderr
    [request] = machine.service.requests
    assert request.json() == {"registration_token": None, "name": None, "register_label": None}
    assert machine.service.problems() == []
    [pod] = machine.service.pods.values()
    assert machine.keys()["client_id"] == pod.unix_user and machine.keys()["secret"] == pod.secret
    assert machine.config.stat().st_mode & 0o777 == 0o600


def test_R1_what_is_given_is_sent(machine: Machine) -> None:
    machine.configure(registration_token="super-token")
    assert machine.register("--pod-name", 'a "name"', "--label", "shelf-07").returncode == DONE
    [request] = machine.service.requests
    assert request.json() == {"registration_token": "super-token", "name": 'a "name"', "register_label": "shelf-07"}
    assert machine.service.problems() == []


def test_R1_the_first_agents_line(machine: Machine) -> None:
    r = machine.register("--token", TOKEN, *LIBRARY)
    [pod] = machine.service.pods.values()
    assert json.loads(r.stdout) == {"id": pod.id, "unix_user": pod.unix_user, "secret": pod.secret, "location_id": 99,
                                    "account_id": 12}  # fmt: skip
    assert json.loads(machine.register("--force").stdout)["account_id"] == 0


@pytest.mark.parametrize("how", ["options", "one dash", "environment"])
def test_R5_what_is_not_known_is_not_sent(machine: Machine, how: str) -> None:
    options = ["--token", TOKEN, *LIBRARY, "--network-download-mbps", "200", "--pod-name", "p"]
    if how == "environment":
        r = machine.register(RADAR_ACCOUNT_TOKEN=TOKEN, RADAR_CREATE_NETWORK="true", RADAR_NETWORK_NAME="Library",
                             RADAR_NETWORK_ADDRESS="1 Main St", RADAR_NETWORK_DOWNLOAD_MBPS="200",
                             RADAR_POD_NAME="p")  # fmt: skip
    else:
        r = machine.register(*(word[how == "one dash" and word.startswith("--") :] for word in options))
    assert r.returncode == DONE, r.stderr
    register, assign = machine.service.requests
    assert register.json()["name"] == "p"
    assert assign.json() == {"token": TOKEN, "network": {"id": None, "name": "Library", "address": "1 Main St",
                                                         "expected_mbps_down": 200}}  # fmt: skip
    assert machine.service.problems() == []


def test_R5_coordinates_of_0_are_sent(machine: Machine) -> None:
    r = machine.register("--token", TOKEN, "--create-network", "--network-name", "Buoy", "--network-latitude", "0",
                         "--network-longitude", "-122.33")  # fmt: skip
    assert r.returncode == DONE, r.stderr
    assert machine.service.of("assign")[0].json()["network"] == {"id": None, "name": "Buoy", "latitude": 0,
                                                                 "longitude": -122.33}  # fmt: skip


def test_an_account_without_a_network(machine: Machine) -> None:
    assert machine.register("--token", TOKEN).returncode == DONE
    assert machine.service.of("assign")[0].json() == {"token": TOKEN}


def test_options_win_over_the_environment(machine: Machine) -> None:
    machine.register("--pod-name", "ours", RADAR_POD_NAME="theirs", RADAR_REGISTER_LABEL="shelf-07")
    assert machine.service.requests[0].json() == {"registration_token": None, "name": "ours",
                                                  "register_label": "shelf-07"}  # fmt: skip


# --- durable before anything else --------------------------------------------------------------------


def test_R1_credentials_are_on_the_disk_before_anything_else_is_asked(machine: Machine) -> None:
    machine.service.fail("assign", Fault(delay_s=0.5))
    process = machine.start("--token", TOKEN)
    wait_for(lambda: machine.service.of("assign"))
    [pod] = machine.service.pods.values()
    assert machine.keys()["secret"] == pod.secret
    assert process.wait(60) == DONE


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_R1_no_signal_comes_between_the_answer_and_the_disk(machine: Machine, number: signal.Signals) -> None:
    machine.service.fail("register", Fault(delay_s=0.5))
    process = machine.start("--token", TOKEN)
    wait_for(lambda: machine.service.of("register"))
    process.send_signal(number)
    process.wait(60)
    [pod] = machine.service.pods.values()
    assert machine.keys()["secret"] == pod.secret


def test_R1_a_pod_that_another_process_has_kept_meanwhile_stays(machine: Machine) -> None:
    """As a daemon that registers beside it does."""
    machine.service.fail("register", Fault(delay_s=0.5))
    process = machine.start()
    wait_for(lambda: machine.service.of("register"))
    machine.configure(client_id="r2222222othr", secret="itsOwnSecret")
    assert process.wait(60) == NOT_DONE
    assert (machine.keys()["client_id"], machine.keys()["secret"]) == ("r2222222othr", "itsOwnSecret")
    [pod] = machine.service.pods.values()
    said = process.communicate()[1]
    assert f"{pod.unix_user}, which the service has made and nobody uses" in said and pod.secret not in said


def test_R1_what_a_held_signal_has_waited_for_is_told(machine: Machine) -> None:
    machine.service.fail("register", Fault(delay_s=0.5, status=500))
    process = machine.start()
    wait_for(lambda: machine.service.of("register"))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert "could not register with" in process.communicate()[1]


def test_R2_killed_after_the_answer_no_second_pod(machine: Machine) -> None:
    machine.service.fail("assign", Fault(silent=True))
    process = machine.start("--token", TOKEN)
    wait_for(lambda: machine.service.of("assign"))
    process.kill()
    process.wait()
    assert machine.register("--token", TOKEN).returncode == DONE
    assert len(machine.service.of("register")) == 1 and len(machine.service.pods) == 1


def test_R2_where_nothing_can_be_kept_nothing_is_asked(machine: Machine) -> None:
    (machine.home / "file").touch()
    machine.configure()
    r = machine.register("-c", str(machine.home / "file" / "config.conf"), RADAR_CONFIG_PATH="")
    assert r.returncode in (NOT_DONE, BAD_FILE), r.stderr
    assert machine.service.requests == []


def test_R3_registered_is_registered(machine: Machine) -> None:
    assert machine.register().returncode == DONE
    r = machine.register("--token", TOKEN)
    assert (r.returncode, r.stdout) == (DONE, "")
    assert len(machine.service.requests) == 1


def test_R3_a_token_that_is_not_used_is_told(machine: Machine) -> None:
    """Whoever gave it believes the pod is the account's: what does that is said, and the token is not."""
    machine.register()
    [pod] = machine.service.pods.values()
    assert "is not used" not in machine.register().stderr
    for r in (machine.register("--token", TOKEN), machine.register(RADAR_ACCOUNT_TOKEN=TOKEN)):
        assert (r.returncode, r.stdout) == (DONE, "")
        assert "the token is not used" in r.stderr and "--assign" in r.stderr and TOKEN not in r.stderr
        assert f"{machine.service.url}/setup/{pod.unix_user}" in r.stderr
    assert len(machine.service.requests) == 1 and pod.account_id is None


@pytest.mark.parametrize("how", ["--force", "-f", "-force", "RADAR_FORCE"])
def test_R3_unless_forced(machine: Machine, how: str) -> None:
    machine.register()
    before = machine.keys()
    r = machine.register(RADAR_FORCE="true") if how == "RADAR_FORCE" else machine.register(how)
    assert r.returncode == DONE, r.stderr
    assert len(machine.service.of("register")) == 2
    assert machine.keys()["client_id"] == list(machine.service.pods)[1] != before["client_id"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(status=401), "does not know this pod"),
        (Fault(status=404), "no network of that id"),
        (Fault(status=422, body=b'{"errors":{"address":["can\'t be blank"]}}'), "address can't be blank"),
        (Fault(status=500), "does not know the token"),
        (Fault(reset_at=0), "assign"),
        (Fault(cut_at=20), "assign"),
        (Fault(garbage=b"\x00\x01\r\n\r\n"), "assign"),
    ],
    ids=["401", "404", "422", "500", "reset", "cut", "garbage"],
)
def test_R4_the_identity_is_kept_where_it_cannot_be_assigned(machine: Machine, fault: Fault, says: str) -> None:
    machine.service.fail("assign", fault)
    r = machine.register("--token", TOKEN)
    assert (r.returncode, r.stdout) == (PARTLY, "")
    [pod] = machine.service.pods.values()
    assert machine.keys()["secret"] == pod.secret
    assert says in r.stderr and f"/setup/{pod.unix_user}" in r.stderr


def test_R4_an_assignment_that_failed_is_repeated_for_the_same_pod(machine: Machine) -> None:
    """Also of a pod that the daemon has registered: no second one, its secret as it was."""
    machine.service.fail("assign", Fault(status=500), Fault(status=503))
    assert machine.register("--token", TOKEN).returncode == PARTLY
    [pod] = machine.service.pods.values()
    before = machine.keys()
    r = machine.register("--assign", "--token", TOKEN)
    assert (r.returncode, r.stdout) == (NOT_DONE, "") and "--assign" in r.stderr
    r = machine.register("--assign", *LIBRARY, RADAR_ACCOUNT_TOKEN=TOKEN)
    assert r.returncode == DONE, r.stderr
    assert json.loads(r.stdout) == {"id": pod.id, "unix_user": pod.unix_user, "secret": pod.secret, "location_id": 99,
                                    "account_id": 12}  # fmt: skip
    assert machine.service.problems() == [] and machine.keys() == before
    assert len(machine.service.of("register")) == 1 and pod.account_id == 12


def test_assign_where_there_is_no_pod_yet(machine: Machine) -> None:
    r = machine.register("-assign", "--token", TOKEN)
    assert r.returncode == DONE and json.loads(r.stdout)["account_id"] == 12
    assert len(machine.service.of("register")) == 1


def test_R4_the_service_s_own_refusals(machine: Machine) -> None:
    for words in (["--token", "wrong"], ["--token", TOKEN, "--network-id", "7"]):
        assert machine.register("--force", *words).returncode == PARTLY
    assert machine.service.problems() == []


# --- secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault(), Fault(status=401), Fault(status=500), Fault(reset_at=3)])
def test_R8_no_secret_is_said(machine: Machine, fault: Fault) -> None:
    machine.service.fail("assign", fault)
    machine.configure(registration_token="super-token")
    r = machine.register(RADAR_ACCOUNT_TOKEN=TOKEN)
    [pod] = machine.service.pods.values()
    for secret in (pod.secret, TOKEN, "super-token"):
        assert secret not in r.stderr


def test_R8_the_process_shows_none(machine: Machine) -> None:
    machine.service.fail("assign", Fault(silent=True))
    process = machine.start(RADAR_ACCOUNT_TOKEN=TOKEN)
    wait_for(lambda: machine.service.of("assign"))
    [pod] = machine.service.pods.values()
    with open(f"/proc/{process.pid}/cmdline", "rb") as words:
        shown = words.read()
    assert b"register" in shown and TOKEN.encode() not in shown and pod.secret.encode() not in shown
    process.kill()
    process.wait()


# --- a service that fails ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500), Fault(status=503), Fault(status=200, body=b"{}"), Fault(status=201, body=b"{}"),
        Fault(status=201, body=b'{"unix_user":"r1","secret":null}'), Fault(status=201, body=b"<html>"),
        Fault(status=400, body=b'{"errors":{"name":["is too long"]}}'), Fault(garbage=b"SSH-2.0-x\r\n"),
        Fault(redirect="/api/v1/clients/me"), Fault(redirect="/api/v1/clients", status=307),
        Fault(endless_bytes=1 << 30, after=True),
    ],
    ids=["500", "503", "200", "no pod", "no secret", "html", "400", "garbage", "302", "307", "1 GB"],
)  # fmt: skip
def test_R2_what_is_no_registration_is_not_taken_for_one(machine: Machine, fault: Fault) -> None:
    machine.service.fail("register", fault)
    r = machine.register("--token", TOKEN)
    assert (r.returncode, r.stdout) == (NOT_DONE, "")
    assert "register with" in r.stderr
    assert len(machine.service.requests) == 1  # nothing is sent twice, or on to where it says
    assert "client_id" not in machine.keys()


@pytest.mark.parametrize("at", range(0, 300, 15))
def test_R2_an_answer_that_is_cut_at_a_byte(machine: Machine, at: int) -> None:
    machine.service.fail("register", Fault(reset_at=at, after=True))
    r = machine.register()
    assert r.returncode == NOT_DONE and "client_id" not in machine.keys()
    assert machine.register().returncode == DONE


@pytest.mark.parametrize(
    "fault",
    [Fault(gzip=True), Fault(chunked=True), Fault(headers=(("Set-Cookie", "a=b"),)), Fault(bytes_s=4000)],
    ids=["gzip", "chunked", "cookies", "slow"],
)
def test_a_service_that_is_odd(machine: Machine, fault: Fault) -> None:
    for endpoint in ("register", "assign"):
        machine.service.fail(endpoint, fault)
    assert machine.register("--token", TOKEN).returncode == DONE
    assert machine.service.problems() == []


def test_R9_a_silent_service_is_given_up_within_30_s(machine: Machine) -> None:
    machine.service.fail("register", Fault(silent=True))
    began = time.monotonic()
    r = machine.register()
    assert r.returncode == NOT_DONE and "waiting for the answer" in r.stderr
    assert time.monotonic() - began < 45


def test_R9_nobody_listens(machine: Machine) -> None:
    machine.configure(server_url="http://127.0.0.1:1")
    r = machine.register()
    assert r.returncode == NOT_DONE and "refused" in r.stderr


# --- trust ---------------------------------------------------------------------------------------------

TRUSTED = ["good", "good rsa", "by intermediate"]


@pytest.mark.parametrize("certificate", TRUSTED)
def test_R28_certificates_that_are_trusted(tls_machine: Any, certificate: str) -> None:
    machine = tls_machine(certificate)
    r = machine.register("--token", TOKEN)
    assert r.returncode == DONE, r.stderr
    assert machine.service.problems() == []


@pytest.mark.parametrize("certificate", [name for name in certificates.LEAVES if name not in TRUSTED])
def test_R28_certificates_that_are_not(tls_machine: Any, certificate: str) -> None:
    machine = tls_machine(certificate)
    r = machine.register()
    assert r.returncode == NOT_DONE and "trust its certificate" in r.stderr
    assert machine.service.requests == [] and "client_id" not in machine.keys()


# --- usage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--create-network", "--network-name", "A", "--network-address", "B"], "--token"),
        (["--token", TOKEN, "--create-network", "--network-name", "A"], "--network-address"),
        (["--token", TOKEN, "--create-network", "--network-address", "A"], "--network-name"),
        (["--token", TOKEN, "--network-latitude", "1"], "go together"),
        (["--network-latitude", "91", "--network-longitude", "1"], "--network-latitude takes"),
        (["--token", TOKEN, *LIBRARY, "--network-id", "1"], "exclude"),
        (["--assign"], "--token"),
        (["--assign", "--force", "--token", TOKEN], "exclude"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_asks_nobody(machine: Machine, words: list[str], says: str) -> None:
    r = machine.register(*words)
    assert r.returncode == USAGE and says in r.stderr
    assert machine.service.requests == []


def test_a_configuration_that_is_not_valid(machine: Machine) -> None:
    machine.configure(ping_freq="often")
    r = machine.register()
    assert r.returncode == BAD_FILE and "ping_freq" in r.stderr
    assert machine.service.requests == []
