"""Certificates of every kind that should not be believed, and one that should.

All name "localhost" and 127.0.0.1 unless the kind says otherwise. They are made once per session by
the openssl command; the authority that clients are told to trust is `authority()`.
"""

from __future__ import annotations

import functools
import shutil
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))
import folders  # noqa: E402

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"
AUTHORITY = "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"


@dataclass(frozen=True)
class Kind:
    """What is special about a certificate."""

    names: str = NAMES
    common_name: str = "localhost"
    key: str = "ec"  # or rsa:BITS
    digest: str = "sha256"
    starts_in_days: int = -1
    ends_in_days: int = 30
    more: tuple[str, ...] = ()
    issuer: str = "good root"
    sent: tuple[str, ...] = ()  # further certificates in the chain


# Who signs. "unknown root" is trusted by nobody.
AUTHORITIES = {
    "good root": Kind(names="", common_name="Test Root", more=AUTHORITY, issuer=""),
    "unknown root": Kind(names="", common_name="Unknown Root", more=AUTHORITY, issuer=""),
    "intermediate": Kind(names="", common_name="Intermediate", more=AUTHORITY),
    "expired intermediate": Kind(names="", common_name="Expired", more=AUTHORITY, starts_in_days=-20, ends_in_days=-10),
    "no authority": Kind(common_name="A Leaf", more=("basicConstraints=critical,CA:FALSE",)),
    "may not sign": Kind(
        names="", common_name="No Sign", more=("basicConstraints=critical,CA:TRUE", "keyUsage=critical,cRLSign")
    ),
    "constrained": Kind(
        names="", common_name="Constrained", more=(*AUTHORITY, "nameConstraints=critical,permitted;DNS:example.org")
    ),
    "path of none": Kind(
        names="", common_name="Pathlen", more=("basicConstraints=critical,CA:TRUE,pathlen:0", AUTHORITY[1])
    ),
    "below path of none": Kind(names="", common_name="Too deep", more=AUTHORITY, issuer="path of none"),
}

LEAVES = {
    "good": Kind(),
    "good rsa": Kind(key="rsa:2048"),
    "by intermediate": Kind(issuer="intermediate", sent=("intermediate",)),
    # Nobody should take these.
    "expired": Kind(starts_in_days=-20, ends_in_days=-10),
    "not yet valid": Kind(starts_in_days=10, ends_in_days=20),
    "other host": Kind(names="subjectAltName=DNS:example.org"),
    "other address": Kind(names="subjectAltName=IP:127.0.0.2"),
    "address as a name": Kind(names="subjectAltName=DNS:127.0.0.1"),
    "wildcard of nothing": Kind(names="subjectAltName=DNS:*"),
    "host below": Kind(names="subjectAltName=DNS:a.localhost"),
    "self-signed": Kind(issuer=""),
    "unknown authority": Kind(issuer="unknown root"),
    "unknown authority, sent along": Kind(issuer="unknown root", sent=("unknown root",)),
    "intermediate missing": Kind(issuer="intermediate"),
    "intermediate expired": Kind(issuer="expired intermediate", sent=("expired intermediate",)),
    "signed by a leaf": Kind(issuer="no authority", sent=("no authority",)),
    "signed by one that may not": Kind(issuer="may not sign", sent=("may not sign",)),
    "outside the name constraint": Kind(issuer="constrained", sent=("constrained",)),
    "chain too long": Kind(issuer="below path of none", sent=("below path of none", "path of none")),
    "for clients only": Kind(more=("extendedKeyUsage=clientAuth",)),
    "for mail only": Kind(more=("extendedKeyUsage=emailProtection",)),
    "1024-bit key": Kind(key="rsa:1024"),
    "sha-1 signature": Kind(digest="sha1"),
    "unknown critical extension": Kind(more=("1.2.3.4.5=critical,ASN1:UTF8String:what",)),
}

making = threading.Lock()  # tests run at once, and openssl ca keeps a file of serial numbers


@functools.cache
def folder() -> Path:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; it makes the certificates")
    made = folders.make("certificates")
    (made / "index").touch()
    (made / "index.attr").write_text("unique_subject = no\n")
    (made / "serial").write_text("1000\n")
    (made / "ca.cnf").write_text(
        f"[ca]\ndefault_ca = ours\n[ours]\nnew_certs_dir = {made}\ndatabase = {made}/index\n"
        f"serial = {made}/serial\npolicy = any\ncopy_extensions = none\n[any]\ncommonName = supplied\n"
    )
    return made


def openssl(*args: Any) -> None:
    r = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, cwd=folder())
    assert r.returncode == 0, f"openssl {args[0]}: {r.stderr}"


def make(name: str) -> Path:
    """One certificate: `….pem` (with what is sent along) beside `….key`."""
    with making:
        return _make(name)


@functools.cache
def _make(name: str) -> Path:
    kind = AUTHORITIES.get(name) or LEAVES[name]
    base = folder() / name.replace(" ", "-").replace(",", "")
    cert, key, csr, extensions = (base.with_suffix(s) for s in (".pem", ".key", ".csr", ".ext"))
    algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind.key == "ec" else [kind.key]
    openssl("req", "-new", "-newkey", *algorithm, "-nodes", "-subj", f"/CN={kind.common_name}",
            "-keyout", key, "-out", csr)  # fmt: skip
    extensions.write_text("\n".join(filter(None, [kind.names, *kind.more])) + "\n")
    now = datetime.now(timezone.utc)
    signer = ["-selfsign", "-keyfile", key]
    if kind.issuer:
        signer = ["-cert", _make(kind.issuer), "-keyfile", _make(kind.issuer).with_suffix(".key")]
    openssl("ca", "-config", folder() / "ca.cnf", "-batch", "-notext", "-md", kind.digest, *signer,
            "-startdate", f"{now + timedelta(kind.starts_in_days):%Y%m%d%H%M%SZ}",
            "-enddate", f"{now + timedelta(kind.ends_in_days):%Y%m%d%H%M%SZ}",
            "-extfile", extensions, "-in", csr, "-out", cert)  # fmt: skip
    with cert.open("ab") as chain:
        for also in kind.sent:
            chain.write(_make(also).read_bytes())
    return cert


def authority() -> Path:
    return make("good root")


def server_context(name: str = "good", version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server that shows the certificate of this name; with `version`, it speaks that one alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    cert = make(name)
    context.load_cert_chain(cert, cert.with_suffix(".key"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version:
        context.minimum_version = context.maximum_version = version
    return context
