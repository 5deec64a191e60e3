"""What the loader is asked: struct loader_request of bpf/loader_message.h."""

from __future__ import annotations

import struct

LAYOUT, RING_BYTES, EBPF = 4, 32768, 1


def loader_request(
    layout: int = LAYOUT, ring_bytes: int = RING_BYTES, tiers: int = EBPF, whole_cgroup: int = 0
) -> bytes:
    return struct.pack("<QIIIBBBB", 1_000_000, layout, ring_bytes, tiers, 0, whole_cgroup, 0, 0)
