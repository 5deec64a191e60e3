#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/ws: WebSocket streams, well-formed and not, named by what they are.

    client-1002-reserved-bits-4-on-text
      |     |    `- what is in it
      |     `- what the decoder has to say: the close code it refuses with; "close" where the peer's
      |        Close is the last event; "ok" where the stream just ends
      `- our role

The first byte of a file chooses the decoder's options (ws_log_options() in tests/ws_log.h), the rest
is what the peer sent. ws_corpus_test feeds every file cut at every place; fuzz_ws starts from them.
Files that fuzzing found are kept beside these and left alone by this script.
"""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus" / "ws"
KEY = bytes.fromhex("37fa213d")

# Options: bit 0 our role is the server's; bit 1 binary is delivered; bits 2, 3 the buffer holds
# 64, 4, 1000 or 0 bytes; bits 4, 5 a message holds at most 2^24, 1000, 10 or 0 bytes; bit 6 texts are
# of any bytes.
CLIENT, SERVER, DELIVER = 0x00, 0x01, 0x02
BUFFER_4, BUFFER_1000, BUFFER_0 = 0x04, 0x08, 0x0C
MESSAGE_1000, MESSAGE_10, MESSAGE_0 = 0x10, 0x20, 0x30
ANY_TEXT = 0x40

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CONTROLS = {"close": CLOSE, "ping": PING, "pong": PONG}

files = {}


def add(role, want, what, stream, options=0):
    name = f"{'server' if role else 'client'}-{want}-{what}"
    assert name not in files, name
    files[name] = bytes([role | options]) + stream


def frame(role, opcode, payload=b"", fin=True, reserved=0, masked=None, length=None, form=None):
    """One frame as the peer of `role` sends it; the keywords are for what it must not do."""
    masked = role == SERVER if masked is None else masked
    length = len(payload) if length is None else length
    form = form or (1 if length < 126 else 2 if length < 65536 else 8)
    out = bytes([fin << 7 | reserved << 4 | opcode])
    out += bytes([masked << 7 | {1: length, 2: 126, 8: 127}[form]])
    out += {1: b"", 2: struct.pack(">H", length & 0xFFFF), 8: struct.pack(">Q", length)}[form]
    if masked:
        out += KEY
        payload = bytes(b ^ KEY[i % 4] for i, b in enumerate(payload))
    return out + payload


def fragments(role, opcode, pieces):
    return b"".join(frame(role, CONTINUATION if i else opcode, p, fin=i == len(pieces) - 1)
                    for i, p in enumerate(pieces))


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


def sizes(role):
    for n in (0, 1, 125, 126, 127, 128, 300):
        add(role, "ok", f"text-of-{n}", frame(role, TEXT, b"*" * n))
        add(role, "ok", f"binary-of-{n}", frame(role, BINARY, b"\xfe" * n))
    add(role, "ok", "binary-delivered", frame(role, BINARY, b"0123456789"), DELIVER)
    add(role, "ok", "binary-delivered-by-4", frame(role, BINARY, b"0123456789"), DELIVER | BUFFER_4)
    add(role, "ok", "binary-of-65535-begins", frame(role, BINARY, b"ab", length=65535))
    add(role, "ok", "binary-of-65536-begins", frame(role, BINARY, b"ab", length=65536))
    add(role, "ok", "binary-of-16-mib-begins", frame(role, BINARY, b"ab", length=1 << 24))
    add(role, "ok", "two-messages", frame(role, TEXT, b"a") + frame(role, BINARY, b"b"))


def lengths(role):
    for n, form in ((0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)):
        add(role, "1002", f"length-{n}-in-{form}-bytes",
            frame(role, BINARY, b"*" * min(n, 125), length=n, form=form))
    for n in (1 << 63, (1 << 63) + 1, (1 << 64) - 1):
        add(role, "1002", f"length-{n:x}", frame(role, BINARY, length=n))
    add(role, "1009", "length-2-63-less-1", frame(role, BINARY, length=(1 << 63) - 1))
    for cut in range(1, 14):
        stream = frame(SERVER, BINARY, length=1 << 20)[:cut]
        if role == SERVER:
            add(role, "ok", f"header-of-14-cut-at-{cut}", stream)


def ceilings(role):
    over = frame(role, BINARY, length=(1 << 24) + 1)
    add(role, "1009", "binary-of-2-24-and-1", over)
    add(role, "1009", "text-of-2-24-and-1", frame(role, TEXT, length=(1 << 24) + 1))
    add(role, "ok", "binary-of-the-greatest-size", frame(role, BINARY, b"*" * 10), MESSAGE_10)
    add(role, "1009", "binary-of-one-more", frame(role, BINARY, b"*" * 11), MESSAGE_10)
    add(role, "ok", "fragments-of-the-greatest-size",
        fragments(role, BINARY, [b"*" * 4, b"*" * 6, b""]), MESSAGE_10)
    add(role, "1009", "fragments-of-one-more", fragments(role, BINARY, [b"*" * 4, b"*" * 7]),
        MESSAGE_10)
    add(role, "1009", "text-fragments-of-one-more", fragments(role, TEXT, [b"*" * 10, b"*"]),
        MESSAGE_10)
    add(role, "1009", "fragments-that-overflow",
        frame(role, BINARY, b"*", fin=False) + frame(role, CONTINUATION, length=(1 << 63) - 1))
    add(role, "1009", "nothing-is-allowed", frame(role, TEXT, b"a"), MESSAGE_0)
    add(role, "ok", "the-empty-message-is-allowed", frame(role, TEXT), MESSAGE_0)
    add(role, "ok", "controls-do-not-count",
        frame(role, BINARY, b"*" * 10, fin=False) + frame(role, PING, b"*" * 20) +
        frame(role, CONTINUATION), MESSAGE_10)


def controls(role):
    for name, opcode in CONTROLS.items():
        payload = b"" if opcode == CLOSE else b"hello"
        want = "close" if opcode == CLOSE else "ok"
        full = close_payload(1000, b"r" * 123) if opcode == CLOSE else b"*" * 125
        add(role, want, f"{name}-empty", frame(role, opcode))
        add(role, want, f"{name}-of-125", frame(role, opcode, full))
        add(role, "1002", f"{name}-of-126", frame(role, opcode, full + b"*"))
        add(role, "1002", f"{name}-of-65536-begins", frame(role, opcode, length=65536))
        add(role, "1002", f"{name}-fragmented", frame(role, opcode, payload, fin=False))
        add(role, want, f"{name}-between-fragments",
            frame(role, TEXT, b"a", fin=False) + frame(role, opcode, payload) +
            frame(role, CONTINUATION, b"b"))
        add(role, want, f"{name}-behind-a-message", frame(role, TEXT, b"a") + frame(role, opcode))
    add(role, "ok", "ping-of-what-is-no-utf-8", frame(role, PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))
    add(role, "ok", "ten-pings", b"".join(frame(role, PING, b"%d" % i) for i in range(10)))
    add(role, "ok", "pong-nobody-asked-for-then-ping",
        frame(role, PONG, b"unsolicited") + frame(role, PING, b"p"))
    add(role, "ok", "pings-between-many-fragments",
        b"".join(frame(role, BINARY if i == 0 else CONTINUATION, b"*" * i, fin=i == 6) +
                 frame(role, PING, b"%d" % i) for i in range(7)))
    add(role, "ok", "ping-cut-short", frame(role, PING, b"hello")[:-2])


def reserved(role):
    for bits in range(1, 8):
        for name, opcode in (("text", TEXT), ("binary", BINARY), ("ping", PING), ("close", CLOSE)):
            if role == CLIENT or bits == 4:
                add(role, "1002", f"reserved-bits-{bits}-on-{name}",
                    frame(role, opcode, reserved=bits))
        if role == CLIENT:
            add(role, "1002", f"reserved-bits-{bits}-on-a-continuation",
                frame(role, TEXT, b"a", fin=False) + frame(role, CONTINUATION, reserved=bits))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        add(role, "1002", f"opcode-{opcode}", frame(role, opcode))
        add(role, "1002", f"opcode-{opcode}-behind-a-text",
            frame(role, TEXT, b"a") + frame(role, opcode, b"b"))
    add(role, "1002", "opcode-3-between-fragments",
        frame(role, BINARY, b"a", fin=False) + frame(role, 3))


def masks(role):
    for name, opcode in (("text", TEXT), ("binary", BINARY), *CONTROLS.items()):
        add(role, "1002", f"{name}-{'un' if role else ''}masked",
            frame(role, opcode, masked=role != SERVER))
    add(role, "1002", "second-fragment-masked-otherwise",
        frame(role, BINARY, b"a", fin=False) + frame(role, CONTINUATION, b"b", masked=role != SERVER))


def fragmentation(role):
    add(role, "ok", "text-in-two", fragments(role, TEXT, [b"fragment", b"ed"]))
    add(role, "ok", "text-byte-by-byte", fragments(role, TEXT, [bytes([b]) for b in b"fragmented"]))
    add(role, "ok", "text-with-an-empty-last-fragment", fragments(role, TEXT, [b"abc", b""]))
    add(role, "ok", "text-with-an-empty-first-fragment", fragments(role, TEXT, [b"", b"abc"]))
    add(role, "ok", "text-of-empty-fragments", fragments(role, TEXT, [b"", b"", b""]))
    add(role, "ok", "binary-with-an-empty-last-fragment", fragments(role, BINARY, [b"abc", b""]))
    add(role, "ok", "binary-of-empty-fragments", fragments(role, BINARY, [b"", b"", b""]))
    add(role, "ok", "binary-delivered-in-fragments", fragments(role, BINARY, [b"abc", b"defghij"]),
        DELIVER | BUFFER_4)
    add(role, "ok", "message-never-ends", frame(role, BINARY, b"a", fin=False))
    add(role, "1002", "continuation-of-nothing", frame(role, CONTINUATION, b"a"))
    add(role, "1002", "continuation-of-nothing-not-last", frame(role, CONTINUATION, b"a", fin=False))
    add(role, "1002", "continuation-behind-a-message",
        frame(role, TEXT, b"a") + frame(role, CONTINUATION, b"b"))
    add(role, "1002", "continuation-behind-fragments",
        fragments(role, TEXT, [b"a", b"b"]) + frame(role, CONTINUATION, b"c"))
    add(role, "1002", "continuation-behind-a-ping", frame(role, PING) + frame(role, CONTINUATION))
    for name, opcode in (("text", TEXT), ("binary", BINARY)):
        for begun_name, begun in (("text", TEXT), ("binary", BINARY)):
            add(role, "1002", f"{name}-inside-a-{begun_name}",
                frame(role, begun, b"a", fin=False) + frame(role, opcode, b"b"))


def closes(role):
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
                 4000, 4999):
        add(role, "close", f"code-{code}", frame(role, CLOSE, close_payload(code)))
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        add(role, "1002", f"code-{code}", frame(role, CLOSE, close_payload(code, b"why")))
    add(role, "1002", "code-of-one-byte", frame(role, CLOSE, b"\x03"))
    add(role, "close", "reason", frame(role, CLOSE, close_payload(1000, b"going home")))
    add(role, "close", "reason-in-utf-8", frame(role, CLOSE, close_payload(1000, "κόσμε".encode())))
    add(role, "1007", "reason-is-no-utf-8", frame(role, CLOSE, close_payload(1000, b"a\xffb")))
    add(role, "1007", "reason-ends-in-a-character", frame(role, CLOSE, close_payload(1000, b"a\xce")))
    for name, opcode in (("text", TEXT), ("binary", BINARY), *CONTROLS.items()):
        add(role, "close", f"then-{name}", frame(role, CLOSE) + frame(role, opcode))
    add(role, "close", "then-garbage", frame(role, CLOSE) + b"\xff" * 30)


VALID_TEXTS = {
    "greek": "κόσμε", "u-0000": "\0", "u-007f": "\x7f", "u-0080": "\x80", "u-07ff": "\u07ff",
    "u-0800": "\u0800", "u-d7ff": "\ud7ff", "u-e000": "\ue000", "u-fffd": "\ufffd",
    "u-fffe": "\ufffe", "u-ffff": "\uffff", "u-10000": "\U00010000", "u-1fffe": "\U0001fffe",
    "u-10ffff": "\U0010ffff", "mixed": "aß€😀z", "bom": "\ufeff{}",
}
INVALID_TEXTS = {
    "continuation-80": "80", "continuation-bf": "bf", "continuations": "80bf80bf",
    "lead-c2-alone": "c220", "lead-e2-alone": "e282 20", "lead-f0-alone": "f09f9820",
    "lead-then-lead": "c2c2", "long-slash-2": "c0af", "long-slash-3": "e080af",
    "long-slash-4": "f08080af", "long-nul": "c080", "long-7f": "c1bf", "long-7ff": "e09fbf",
    "long-ffff": "f08fbfbf", "surrogate-d800": "eda080", "surrogate-dfff": "edbfbf",
    "surrogate-pair": "eda080edb080", "u-110000": "f4908080", "u-13ffff": "f4bfbfbf",
    "five-bytes": "f888808080", "six-bytes": "fc8480808080", "fe": "fe", "ff": "ff",
    "fe-fe-ff-ff": "fefeffff", "greek-then-surrogate": "cebae1bdb9cf83cebceda080656469746564",
}


def utf8(role):
    for name, text in VALID_TEXTS.items():
        add(role, "ok", f"utf-8-{name}", frame(role, TEXT, text.encode()))
    for name, text in INVALID_TEXTS.items():
        add(role, "1007", f"utf-8-{name}", frame(role, TEXT, bytes.fromhex(text)))
    for name in ("greek", "mixed"):
        encoded = VALID_TEXTS[name].encode()
        add(role, "ok", f"utf-8-{name}-byte-by-byte",
            fragments(role, TEXT, [bytes([b]) for b in encoded]))
        add(role, "ok", f"utf-8-{name}-in-a-buffer-of-4", frame(role, TEXT, encoded), BUFFER_4)
        add(role, "ok", f"utf-8-{name}-without-a-buffer", frame(role, TEXT, encoded), BUFFER_0)
    add(role, "1007", "utf-8-invalid-across-fragments", fragments(role, TEXT, [b"a\xf4", b"\x90b"]))
    add(role, "1007", "utf-8-invalid-before-the-end-of-its-frame",
        frame(role, TEXT, b"ab\xffcd", length=200)[:40])
    add(role, "1007", "utf-8-message-ends-in-a-character", frame(role, TEXT, b"abc\xe2\x82"))
    add(role, "1007", "utf-8-empty-fragment-ends-in-a-character",
        fragments(role, TEXT, [b"abc\xe2\x82", b""]))
    add(role, "1007", "utf-8-invalid-behind-the-buffer", frame(role, TEXT, b"abcdefgh\xff"), BUFFER_4)
    add(role, "ok", "any-text", frame(role, TEXT, b"a\xffb"), ANY_TEXT)
    add(role, "ok", "any-text-in-fragments", fragments(role, TEXT, [b"\xf4", b"\x90"]), ANY_TEXT)
    add(role, "ok", "any-text-longer-than-the-buffer", frame(role, TEXT, b"abc\xe2\x82"), ANY_TEXT | BUFFER_4)
    add(role, "1007", "any-text-but-a-reason-is-utf-8", frame(role, CLOSE, close_payload(1000, b"\xff")), ANY_TEXT)
    add(role, "ok", "utf-8-ping-inside-a-character",
        frame(role, TEXT, b"\xe2", fin=False) + frame(role, PING) +
        frame(role, CONTINUATION, b"\x82\xac"))
    add(role, "ok", "text-fills-the-buffer", frame(role, TEXT, b"abcd"), BUFFER_4)
    add(role, "ok", "text-longer-than-the-buffer", frame(role, TEXT, b"abcde"), BUFFER_4)
    add(role, "ok", "text-of-600-in-a-buffer-of-1000", frame(role, TEXT, b"z" * 600), BUFFER_1000)


def ndt7():
    """What the field sends: a text with TCP_INFO, a ping, bulk; 4 KiB fragments from Go clients."""
    text = b'{"ConnectionInfo":{"Client":"[2001:db8::2]:40122"},"TCPInfo":{"MinRTT":18250}}\n'
    load = frame(CLIENT, BINARY, b"\xa5" * 200)
    add(CLIENT, "close", "ndt7-download",
        load + frame(CLIENT, TEXT, text) + frame(CLIENT, PING, b"1767225600000000000") + load +
        frame(CLIENT, CLOSE, close_payload(1000)), BUFFER_1000)
    add(SERVER, "close", "ndt7-upload-in-fragments",
        fragments(SERVER, BINARY, [b"\x5a" * 100] * 3) + frame(SERVER, PONG, b"1767225600000000000") +
        fragments(SERVER, BINARY, [b"\x5a" * 100] * 3) + frame(SERVER, CLOSE, close_payload(1000)),
        BUFFER_1000)


def main():
    for part in (sizes, lengths, ceilings, controls, reserved, masks, fragmentation, closes, utf8):
        part(CLIENT)
        part(SERVER)
    ndt7()
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (CORPUS / name).write_bytes(content)
    print(f"{len(files)} files in {CORPUS}")


main()
