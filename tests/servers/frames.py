"""Frame sequences of every kind RFC 6455 forbids or allows, made systematically: bar H1.

What is expected of each comes from rules written here anew, from the RFC's text, and from Python's own
UTF-8 decoder: none of it is our codec's opinion of itself.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import wire
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame, header

PROTOCOL, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
LIMIT_BYTES = 1 << 24
NAMES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
DATA = (TEXT, BINARY)
CONTROL = (CLOSE, PING, PONG)


@dataclass(frozen=True)
class Case:
    """What is sent behind the upgrade, and what the client makes of it."""

    data: bytes
    refused: int | None = None  # the code of the client's Close
    payload_bytes: int = 0  # of binary and text, where it is not refused
    close: int | None = None  # the data end with a Close of this code; 1005: an empty one
    pongs: tuple[bytes, ...] = ()
    broken_text: bool = False  # no UTF-8: the ndt7 contract has the client go on (N25), RFC 6455 8.1 not


def opcodes() -> Iterator[tuple[str, Case]]:
    for opcode, fin in itertools.product(range(16), (True, False)):
        name = f"opcode {opcode:x}, {'whole' if fin else 'first fragment'}"
        one = frame(opcode, b"", fin=fin)
        if opcode in DATA:
            yield name, Case(one if fin else one + frame(CONTINUATION, b""))
        elif opcode in (PING, PONG) and fin:
            yield name, Case(one, pongs=(b"",) if opcode == PING else ())
        elif opcode == CLOSE and fin:
            yield name, Case(one, close=1005)
        else:
            yield name, Case(one, PROTOCOL)


def reserved_bits() -> Iterator[tuple[str, Case]]:
    for opcode, rsv in itertools.product(NAMES, range(1, 8)):
        before = frame(BINARY, b"", fin=False) if opcode == CONTINUATION else b""
        yield f"rsv {rsv:03b} in {NAMES[opcode]}", Case(before + frame(opcode, b"", rsv=rsv), PROTOCOL)


def masked() -> Iterator[tuple[str, Case]]:
    for opcode, mask in itertools.product(NAMES, (b"\0\0\0\0", b"\x12\x34\x56\x78")):
        before = frame(BINARY, b"", fin=False) if opcode == CONTINUATION else b""
        name = f"{NAMES[opcode]} masked with {mask.hex()}"
        yield name, Case(before + frame(opcode, b"", mask=mask), PROTOCOL)


def lengths() -> Iterator[tuple[str, Case]]:
    for opcode, size in itertools.product(DATA, (0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537, 131072)):
        yield f"{NAMES[opcode]} of {size} bytes", Case(frame(opcode, b"x" * size), payload_bytes=size)
    for form, size in ((16, 0), (16, 1), (16, 125), (64, 0), (64, 125), (64, 126), (64, 65535)):
        name = f"{size} bytes in a length of {form} bits"
        yield name, Case(frame(BINARY, bytes(size), form=form), PROTOCOL)
    for opcode, size in itertools.product(DATA, (LIMIT_BYTES + 1, 1 << 31, 1 << 32, (1 << 63) - 1)):
        yield f"{NAMES[opcode]} that claims {size} bytes", Case(header(opcode, size, form=64), TOO_BIG)
    for size in (1 << 63, (1 << 63) + 1, (1 << 64) - 1):
        yield f"length {size:#x} with the top bit", Case(header(BINARY, size, form=64), PROTOCOL)
    for size in (1, 1 << 20, LIMIT_BYTES, (1 << 63) - 1):
        name = f"continuation of {size} bytes passes the limit"
        first = header(BINARY, LIMIT_BYTES, fin=False) + bytes(LIMIT_BYTES)
        if size == 1:
            yield name, Case(first + header(CONTINUATION, size), TOO_BIG)
        else:
            yield name, Case(frame(BINARY, b"x", fin=False) + header(CONTINUATION, max(size, LIMIT_BYTES)), TOO_BIG)
    for opcode, size in itertools.product((PING, PONG), (0, 1, 2, 124, 125)):
        payload = bytes(i % 251 for i in range(size))
        yield (
            f"{NAMES[opcode]} of {size} bytes",
            Case(frame(opcode, payload), pongs=(payload,) if opcode == PING else ()),
        )
    for opcode, size in itertools.product(CONTROL, (126, 127, 65535, 65536)):
        yield f"{NAMES[opcode]} of {size} bytes", Case(header(opcode, size), PROTOCOL)


def fragments() -> Iterator[tuple[str, Case]]:
    """All orders of up to three data frames, until the first that breaks the rule of 5.4.

    In the names a "." ends a message and a "-" does not. Binary is counted as it comes, a text when
    it is whole.
    """
    tokens = list(itertools.product((BINARY, TEXT, CONTINUATION), (False, True)))
    for n in (1, 2, 3):
        for sequence in itertools.product(tokens, repeat=n):
            in_message, in_text, good = False, False, True
            counted = waiting = 0
            for i, (opcode, fin) in enumerate(sequence):
                good = in_message == (opcode == CONTINUATION)
                in_text = in_text if opcode == CONTINUATION else opcode == TEXT
                in_message = not fin
                waiting += 2
                if fin or not in_text:
                    counted, waiting = counted + waiting, 0
                if not good and i < n - 1:
                    break  # a shorter sequence has shown that
            else:
                name = "fragments " + " ".join(NAMES[o] + ("." if f else "-") for o, f in sequence)
                data = [frame(o, b"ab", fin=f) for o, f in sequence]
                yield name, Case(b"".join(data), None if good else PROTOCOL, counted)
                if good and n == 3:
                    between = [frame(PING, bytes([i])) for i in range(n)]
                    mixed = b"".join(itertools.chain(*zip(data, between)))
                    yield name + ", pings between", Case(mixed, None, counted, pongs=(b"\0", b"\1", b"\2"))


def closes() -> Iterator[tuple[str, Case]]:
    """7.4, and the registry of codes."""
    good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4999]
    bad = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 32768, 65535]
    for code in good:
        yield f"close {code}", Case(frame(CLOSE, close_payload(code)), close=code)
    for code in bad:
        yield f"close {code}", Case(frame(CLOSE, close_payload(code)), PROTOCOL)
    yield "close with half a code", Case(frame(CLOSE, b"\x03"), PROTOCOL)
    for size in (1, 122, 123):
        data = frame(CLOSE, close_payload(1000, "r" * size))
        yield f"close with a reason of {size} bytes", Case(data, close=1000)
    for text in "ü€𝄞":
        data = frame(CLOSE, close_payload(1000, text))
        yield f"close with the reason {text}", Case(data, close=1000)
    for reason in (b"\xff", b"\xc3", b"ok\xed\xa0\x80", b"\xf4\x90\x80\x80"):
        data = frame(CLOSE, close_payload(1000, reason))
        yield f"close with the reason {reason.hex()}", Case(data, INVALID_TEXT)
    data = frame(BINARY, b"ab", fin=False) + frame(CLOSE, close_payload(1000))
    yield "close inside a message", Case(data, close=1000, payload_bytes=2)
    data = frame(CLOSE, close_payload(1000)) + frame(BINARY, b"behind") + b"\xff" * 40
    yield "anything behind a close", Case(data, close=1000)
    yield "two closes", Case(2 * frame(CLOSE, close_payload(1000)), close=1000)


# RFC 3629, and Markus Kuhn's classes of what is none.
UTF8 = [
    # the first and the last of each length, and their neighbours
    *(chr(c).encode() for c in (0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFEFF, 0xFFFF, 0x10000, 0x10FFFF)),
    *(chr(c).encode() for c in (0xFDD0, 0xFFFE, 0x1FFFE, 0x10FFFE)),  # no characters, and yet valid
    "κόσμε, 日本, 𝄞".encode(),
    # continuation bytes alone
    b"\x80", b"\xbf", b"\x80\xbf", b"a\x80b",
    # beginnings alone, at the end and before another character
    *(bytes([b]) for b in (0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xEF, 0xF0, 0xF4, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFE, 0xFF)),
    *(bytes([b, 0x20]) for b in (0xC2, 0xE0, 0xEF, 0xF0, 0xF4)),
    # one byte short
    b"\xe0\xa0", b"\xef\xbf", b"\xf0\x90\x80", b"\xf4\x8f\xbf", b"\xc2\x41", b"\xe1\x80\x41", b"\xf1\x80\x80\x41",
    # too long a form
    b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf",
    b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80",
    # halves of surrogates, alone and in pairs
    b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
    # beyond U+10FFFF
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf",
]  # fmt: skip


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def texts() -> Iterator[tuple[str, Case]]:
    for data in UTF8:
        for name, text in ((data.hex(), data), (f"{data.hex()} between others", b"{" + data + b"}")):
            yield f"text {name}", Case(frame(TEXT, text), None, len(text), broken_text=not is_utf8(text))
    whole = "a€𝄞".encode()
    for at in range(1, len(whole)):
        data = frame(TEXT, whole[:at], fin=False) + frame(PING, b"p") + frame(CONTINUATION, whole[at:])
        yield f"text in two fragments, cut at {at}", Case(data, None, len(whole), pongs=(b"p",))
        yield (
            f"text that ends at {at}",
            Case(frame(TEXT, whole[:at]), None, at, broken_text=not is_utf8(whole[:at])),
        )
    data = b"".join(frame(TEXT if i == 0 else CONTINUATION, whole[i : i + 1], fin=False) for i in range(len(whole)))
    yield "text in fragments of one byte", Case(data + frame(CONTINUATION), None, len(whole))
    yield "bytes that are no text in a binary", Case(frame(BINARY, b"\xff\xfe\x80"), None, 3)
    yield "bytes that are no text in a ping", Case(frame(PING, b"\xff\xfe"), pongs=(b"\xff\xfe",))


def many() -> Iterator[tuple[str, Case]]:
    yield "a thousand empty frames", Case(frame(BINARY) * 1000)
    yield "a thousand pongs nobody asked for", Case(frame(PONG, b"17") * 1000)
    yield (
        "a thousand fragments of a byte",
        Case(
            frame(BINARY, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * 998 + frame(CONTINUATION, b"x"),
            None,
            1000,
        ),
    )
    yield "ones", Case(b"\xff" * 64, PROTOCOL)
    yield "zeros", Case(bytes(64), PROTOCOL)
    yield "an HTTP answer", Case(b"HTTP/1.1 400 Bad Request\r\n\r\n", PROTOCOL)
    yield "a TLS alert", Case(struct.pack("!BHHBB", 0x15, 0x303, 2, 2, 40), PROTOCOL)


CASES: dict[str, Case] = {}
for made in (opcodes, reserved_bits, masked, lengths, fragments, closes, texts, many):
    for name, case in made():
        assert name not in CASES, name
        CASES[name] = case
assert wire.header_bytes(header(BINARY, 1 << 20)) == 10
