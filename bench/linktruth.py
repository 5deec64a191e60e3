"""Reads what bench/link wrote: the truth of a run over a link, to the byte and to the 10 ms.

    truth = linktruth.read("run.jsonl")             or run.csv
    if truth.void:
        sys.exit(truth.void)
    flow = truth.busiest("down")
    truth.goodput(flow, 2.0, 8.0).bps               payload, each byte once
    truth.goodput(flow, *truth.window(t0, t1)).bps  between two readings of time.monotonic_ns()
    truth.goodput_capacity_bps("down", flow)        what the link was good for
    truth.base_rtt_s, truth.queueing("down"), truth.drops("down")
    truth.handshake_rtt_s(flow)                    of its SYN, with what the other end took to answer

Times are seconds since the run's start, rates bits per second, sizes bytes. What has no figure is
None, never 0. docs/links.md defines every field. Only the standard library is used.
"""

from __future__ import annotations

import csv
import ipaddress
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = "radar-pod/link-truth/1"
DIRECTIONS = ("down", "up")
NS_PER_S = 1_000_000_000
SEGMENTS_OF_BULK = 16  # a flow of so many has sent a full one

Record = dict[str, Any]


class TruthError(Exception):
    """A file that is no truth; says which line, and why."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}:{line}: {why}")
        self.path, self.line, self.why = path, line, why


class Amount(NamedTuple):
    """Packets, and their bytes of IP."""

    packets: int = 0
    bytes: int = 0

    def plus(self, other: Amount) -> Amount:
        return Amount(self.packets + other.packets, self.bytes + other.bytes)


class Bin(NamedTuple):
    """What one direction did in one bin; the run's last is shorter than the others."""

    at_ns: int
    length_ns: int
    offered: Amount
    delivered: Amount
    tcp_payload_bytes: int
    capacity_bytes: int | None  # of the line, its overhead included; None: no limit
    queued: Amount  # at the bin's end
    queued_max_bytes: int
    delay_min_ns: int | None  # of the packets delivered; None: there was none
    delay_sum_ns: int | None
    delay_max_ns: int | None
    late_packets: int
    overdue_bytes: int
    drops: dict[str, Amount]  # by cause; what is not in it dropped nothing

    @property
    def at_s(self) -> float:
        return self.at_ns / NS_PER_S

    @property
    def length_s(self) -> float:
        return self.length_ns / NS_PER_S

    @property
    def delay_mean_s(self) -> float | None:
        if self.delay_sum_ns is None or not self.delivered.packets:
            return None
        return self.delay_sum_ns / self.delivered.packets / NS_PER_S


class FlowBin(NamedTuple):
    """What one flow had delivered in one bin."""

    at_ns: int
    unique_payload_bytes: int
    payload_bytes: int


@dataclass(frozen=True)
class Flow:
    """One way of one TCP connection."""

    flow: int
    direction: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    offered_payload_bytes: int
    delivered_payload_bytes: int
    unique_payload_bytes: int
    delivered_ip_bytes: int
    delivered_packets: int
    retransmitted_segments: int
    dropped_segments: int
    largest_payload_bytes: int
    largest_ip_bytes: int
    first_ns: int
    last_ns: int
    exact: bool

    @property
    def first_s(self) -> float:
        return self.first_ns / NS_PER_S

    @property
    def last_s(self) -> float:
        return self.last_ns / NS_PER_S

    @property
    def tuple(self) -> tuple[str, int, str, int]:
        return self.source, self.source_port, self.destination, self.destination_port

    def __str__(self) -> str:
        return (f"{join_address(self.source, self.source_port)}>"
                f"{join_address(self.destination, self.destination_port)}")


@dataclass(frozen=True)
class Delays:
    """A histogram of all packets of a direction: each value is known to 1.6 %, the ends exactly."""

    packets: int
    sum_ns: int
    min_ns: int | None
    max_ns: int | None
    buckets: list[tuple[int, int]]  # the smallest value of a bucket, packets

    def quantile_ns(self, share: float) -> int | None:
        """The value below which `share` of [0, 1] lies."""
        if self.min_ns is None or self.max_ns is None:
            return None
        if share >= 1:
            return self.max_ns
        below = 0
        for lower, packets in self.buckets:
            below += packets
            if share > 0 and below >= share * self.packets:
                middle = lower + ((1 << max(lower.bit_length() - 7, 0)) - 1) // 2
                return min(max(middle, self.min_ns), self.max_ns)
        return self.min_ns


@dataclass(frozen=True)
class Goodput:
    """Payload of a flow in a window, each byte of the stream once.

    A bin tells its 16 busiest flows apart. Where this flow was not among them it had at most
    `uncertain_bytes` more. Of a bin that the window cuts it is taken to have had its share of time;
    it may have had `edge_bytes` more or less.
    """

    payload_bytes: float
    seconds: float
    uncertain_bytes: float = 0
    edge_bytes: float = 0

    @property
    def bps(self) -> float | None:
        return 8 * self.payload_bytes / self.seconds if self.seconds > 0 else None


class Point(NamedTuple):
    """Of a series: the middle of a bin, and the least, mean and largest in it."""

    at_s: float
    least: float
    mean: float
    largest: float


# --- addresses ------------------------------------------------------------------------------------


def join_address(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split_address(text: str) -> tuple[str, int]:
    """ADDRESS:PORT, a v6 address in brackets."""
    address, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not ADDRESS:PORT")
    return str(ipaddress.ip_address(address.strip("[]"))), int(port)


def parse_tuple(text: str) -> tuple[str, int, str, int]:
    """SOURCE:PORT>DESTINATION:PORT, as Flow prints it."""
    source, arrow, destination = text.partition(">")
    if not arrow:
        raise ValueError(f"{text!r} is not SOURCE:PORT>DESTINATION:PORT")
    return *split_address(source), *split_address(destination)


# --- the truth ------------------------------------------------------------------------------------


@dataclass
class Truth:
    """A run's truth, whole in memory; records() reads without that."""

    header: Record = field(default_factory=dict)
    end: Record | None = None
    flows: list[Flow] = field(default_factory=list)
    delays: dict[str, Delays] = field(default_factory=dict)  # by direction: real delays
    lateness: dict[str, Delays] = field(default_factory=dict)  # past what the link had promised
    warnings: list[str] = field(default_factory=list)  # what the file lacks
    _bins: dict[str, list[Bin]] = field(default_factory=lambda: {d: [] for d in DIRECTIONS})
    _flow_bins: dict[int, list[FlowBin]] = field(default_factory=lambda: defaultdict(list))
    _other: dict[str, dict[int, FlowBin]] = field(
        default_factory=lambda: {d: {} for d in DIRECTIONS})

    def bins(self, direction: str) -> list[Bin]:
        return self._bins[direction]

    def flow_bins(self, flow: Flow) -> list[FlowBin]:
        """Bins in which the flow was among the busiest."""
        return self._flow_bins.get(flow.flow, [])

    # --- whether to believe it

    @property
    def void(self) -> str | None:
        """Why the run counts for nothing; None: it stands."""
        if self.end is None:
            return "the file has no end: the run was cut off"
        if self.end["verdict"] != "stands":
            return self.end["void_reason"] or "no reason is given"
        return self.warnings[0] if self.warnings else None

    @property
    def duration_s(self) -> float:
        if self.end:
            return float(self.end["duration_ns"] / NS_PER_S)
        last = [bins[-1] for bins in self._bins.values() if bins]
        return max((b.at_ns + b.length_ns for b in last), default=0) / NS_PER_S

    def at_s(self, monotonic_ns: int) -> float:
        """Seconds since the run's start of an instant of CLOCK_MONOTONIC, which is one for all
        network namespaces of a machine; of a run that was cut off it is not known."""
        if self.end is None:
            raise ValueError("the file has no end: when the run began is not known")
        return (monotonic_ns - int(self.end["start_monotonic_ns"])) / NS_PER_S

    def window(self, from_monotonic_ns: int, to_monotonic_ns: int) -> tuple[float, float]:
        """Of two instants of CLOCK_MONOTONIC, for goodput() and the others; both lie in the run."""
        return self.in_run(self.at_s(from_monotonic_ns), self.at_s(to_monotonic_ns))

    def in_run(self, start_s: float, end_s: float) -> tuple[float, float]:
        """The same window; ValueError where some of it is before the run or after it."""
        if not 0 <= start_s < end_s <= self.duration_s:
            raise ValueError(f"a window of {start_s:g} to {end_s:g} s does not lie in the run's "
                             f"{self.duration_s:g} s")
        return start_s, end_s

    def missed_rates(self, direction: str) -> list[Bin]:
        """Bins of whose bytes more than 1 % were due, and missing, in an earlier one."""
        return [b for b in self._bins[direction] if 100 * b.overdue_bytes > b.delivered.bytes]

    # --- flows

    def find(self, which: str | int | tuple[str, int, str, int]) -> list[Flow]:
        """By index, by SOURCE:PORT>DESTINATION:PORT, or by those four; several connections may have
        had the same ports, one after the other."""
        if isinstance(which, str):
            which = int(which) if which.isdigit() else parse_tuple(which)
        if isinstance(which, int):
            return [f for f in self.flows if f.flow == which]
        return [f for f in self.flows if f.tuple == tuple(which)]

    def busiest(self, direction: str) -> Flow | None:
        flows = [f for f in self.flows if f.direction == direction]
        return max(flows, key=lambda f: f.unique_payload_bytes, default=None)

    def goodput(self, flow: Flow | str | int | tuple[str, int, str, int],
                start_s: float | None = None, end_s: float | None = None) -> Goodput:
        """Of a flow in a window; without one, from its first packet to its last. Of a 4-tuple that
        several connections had, all of them."""
        flows = [flow] if isinstance(flow, Flow) else self.find(flow)
        if not flows:
            raise KeyError(f"no flow {flow}")
        start = min(f.first_s for f in flows) if start_s is None else start_s
        end = max(f.last_s for f in flows) if end_s is None else end_s
        parts = [self._bytes_between(f, start, end) for f in flows]
        return Goodput(sum(p[0] for p in parts), end - start, sum(p[1] for p in parts),
                       sum(self._edge_bytes(f, start, end) for f in flows))

    def _edge_bytes(self, flow: Flow, start_s: float, end_s: float) -> float:
        if start_s <= flow.first_s and flow.last_s <= end_s:
            return 0
        shares = ((b.unique_payload_bytes, self._share(b.at_ns, start_s, end_s))
                  for b in self.flow_bins(flow))
        return sum(n * max(share, 1 - share) for n, share in shares if 0 < share < 1)

    def _bytes_between(self, flow: Flow, start_s: float, end_s: float) -> tuple[float, float]:
        """Unique payload, and how much more it may be."""
        if start_s <= flow.first_s and flow.last_s <= end_s:
            return flow.unique_payload_bytes, 0
        told = self.flow_bins(flow)
        known = sum(b.unique_payload_bytes * self._share(b.at_ns, start_s, end_s) for b in told)
        untold = flow.unique_payload_bytes - sum(b.unique_payload_bytes for b in told)
        if untold <= 0:
            return known, 0
        mine = {b.at_ns for b in told}
        others = sum(b.unique_payload_bytes * self._share(b.at_ns, start_s, end_s)
                     for at_ns, b in self._other[flow.direction].items() if at_ns not in mine)
        return known, min(untold, others)

    def _share(self, at_ns: int, start_s: float, end_s: float) -> float:
        """How much of the bin lies in the window, of [0, 1]."""
        length_ns = min(self.header["bin_ns"], round(self.duration_s * NS_PER_S) - at_ns)
        low, high = max(at_ns, start_s * NS_PER_S), min(at_ns + length_ns, end_s * NS_PER_S)
        return max(0.0, high - low) / length_ns if length_ns > 0 else 0.0

    # --- the link

    def between(self, direction: str, start_s: float | None = None,
                end_s: float | None = None) -> list[Bin]:
        """Bins whose middle lies in the window."""
        return [b for b in self._bins[direction]
                if (start_s is None or start_s <= b.at_s + b.length_s / 2)
                and (end_s is None or b.at_s + b.length_s / 2 < end_s)]

    def delivered_bps(self, direction: str, start_s: float | None = None,
                      end_s: float | None = None) -> float | None:
        """Of IP."""
        bins = self.between(direction, start_s, end_s)
        seconds = sum(b.length_s for b in bins)
        return 8 * sum(b.delivered.bytes for b in bins) / seconds if seconds else None

    def capacity_bps(self, direction: str, start_s: float | None = None,
                     end_s: float | None = None) -> float | None:
        """Of the line, in bytes of IP and overhead; None: there is no limit in some of the bins."""
        bins = self.between(direction, start_s, end_s)
        seconds = sum(b.length_s for b in bins)
        if not seconds or any(b.capacity_bytes is None for b in bins):
            return None
        return 8 * sum(b.capacity_bytes or 0 for b in bins) / seconds

    def goodput_capacity_bps(self, direction: str, flow: Flow | None = None,
                             start_s: float | None = None,
                             end_s: float | None = None) -> float | None:
        """What a stream of full segments of the flow (the busiest) could have had of payload: the
        line's capacity less the headers, the line's overhead and the gaps of aggregation, and no
        more than the policer lets through."""
        flow = flow or self.busiest(direction)
        capacity_bps = self.capacity_bps(direction, start_s, end_s)
        if flow is None or not flow.largest_payload_bytes:
            return None
        line: Record = self.header["scenario"][direction]
        payload_bytes, ip_bytes = self.full_segment(flow)
        limits = []
        if capacity_bps is not None:
            packet_bytes = ip_bytes + line["overhead_bytes"]
            limits.append(payload_bytes / packet_bytes
                          * with_gaps(capacity_bps, packet_bytes, line))
        if line["policer_bps"]:
            limits.append(line["policer_bps"] * payload_bytes / ip_bytes)
        return min(limits, default=None)

    def full_segment(self, flow: Flow) -> tuple[int, int]:
        """Payload and IP bytes: of the largest that it sent; of a flow too short to have sent a
        full one, of the link's mtu with the same headers."""
        headers = flow.largest_ip_bytes - flow.largest_payload_bytes
        mtu: int = self.header["scenario"]["mtu"]
        if flow.delivered_payload_bytes < SEGMENTS_OF_BULK * flow.largest_payload_bytes:
            return mtu - headers, mtu
        return flow.largest_payload_bytes, flow.largest_ip_bytes

    @property
    def set_rtt_s(self) -> float:
        """What the scenario sets for there and back, at first; neither the time on the line nor
        jitter is in it."""
        directions = (self.header["scenario"][d] for d in DIRECTIONS)
        return float(sum(d["delay_ns"] for d in directions)) / NS_PER_S

    @property
    def base_rtt_s(self) -> float | None:
        """The least delay there and the least back, as packets really had them."""
        least = [self.delays[d].min_ns if d in self.delays else None for d in DIRECTIONS]
        if any(ns is None for ns in least):
            return None
        return sum(ns for ns in least if ns is not None) / NS_PER_S

    def other_way(self, flow: Flow) -> Flow | None:
        """The same connection's other way."""
        back = (flow.destination, flow.destination_port, flow.source, flow.source_port)
        return next((f for f in self.flows if f.direction != flow.direction and f.tuple == back), None)

    def handshake_rtt_s(self, flow: Flow) -> float | None:
        """Of a connection's SYN and its answer, as who stands where the opener's packets enter the link sees it:
        the least delay there, what the other end took to answer, and the answer's way back. None where either way
        was not seen."""
        ways = [flow, self.other_way(flow)]
        if any(way is None or not way.first_ns or way.direction not in self.delays for way in ways):
            return None
        there, back = sorted(ways, key=lambda way: way.first_ns)
        least_ns = self.delays[there.direction].min_ns
        return None if least_ns is None else (back.first_ns - there.first_ns + least_ns) / NS_PER_S

    def queueing(self, direction: str, start_s: float | None = None,
                 end_s: float | None = None) -> list[Point]:
        """Per bin, the delay of its packets above the least of the run, in seconds: the queue, and
        what jitter and changes of the set delay add. Bins without a packet are absent."""
        delays = self.delays.get(direction)
        if delays is None or delays.min_ns is None:
            return []
        base_s = delays.min_ns / NS_PER_S
        return [Point(b.at_s + b.length_s / 2, b.delay_min_ns / NS_PER_S - base_s,
                      b.delay_mean_s - base_s, b.delay_max_ns / NS_PER_S - base_s)
                for b in self.between(direction, start_s, end_s)
                if b.delay_min_ns is not None and b.delay_max_ns is not None
                and b.delay_mean_s is not None]

    def drops(self, direction: str, start_s: float | None = None,
              end_s: float | None = None) -> dict[str, Amount]:
        """By cause; a cause that is absent dropped nothing."""
        sums: dict[str, Amount] = {}
        for b in self.between(direction, start_s, end_s):
            for cause, amount in b.drops.items():
                sums[cause] = sums.get(cause, Amount()).plus(amount)
        return sums


def with_gaps(rate_bps: float, packet_bytes: int, line: Record) -> float:
    """A rate that is interrupted by aggregation's gaps, for a line that is never idle."""
    if not line["aggregate_packets"] or not rate_bps:
        return rate_bps
    burst_bits = 8 * packet_bytes * line["aggregate_packets"]
    return float(burst_bits / (burst_bits / rate_bps + line["aggregate_gap_ns"] / NS_PER_S))


# --- lines to records -----------------------------------------------------------------------------


class CutOff(Exception):
    """The last line has no end: what wrote it was ended first."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}:{line}: the last line is cut off")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number; a last one without a line feed is CutOff."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                raise CutOff(path, number)
            try:
                yield number, raw[:-1].decode()
            except UnicodeDecodeError:
                raise TruthError(path, number, "no UTF-8") from None


def parse_json(path: Path, number: int, text: str) -> Record:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise TruthError(path, number, f"no JSON: {e}") from None
    if not isinstance(record, dict) or not isinstance(record.get("record"), str):
        raise TruthError(path, number, "no record: an object with \"record\" is expected")
    return record


def parse_cell(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isascii() and text.isdigit() else text


def table(path: Path, record: str) -> Iterator[tuple[Path, int, Record]]:
    """Rows of CSV as records, and its comments as the JSON they are."""
    columns: list[str] | None = None
    for number, text in lines(path):
        if text.startswith("# "):
            yield path, number, parse_json(path, number, text[2:])
            continue
        cells = next(csv.reader([text]), [])
        if columns is None:
            columns = cells
            continue
        if len(cells) != len(columns):
            raise TruthError(path, number, f"{len(cells)} columns, not {len(columns)}")
        row = {c: parse_cell(v) for c, v in zip(columns, cells) if v != ""}
        yield path, number, {"record": record, **row}


def records(path: str | Path) -> Iterator[tuple[Path, int, Record]]:
    """All records in the order of the file, with where each stands; the same of JSONL and of CSV
    (three files, NAME.csv's bins before its flows)."""
    path = Path(path)
    if path.suffix != ".csv":
        for number, text in lines(path):
            yield path, number, parse_json(path, number, text)
        return
    yield from table(path, "bin")
    yield from table(path.with_suffix(".flows.csv"), "flow")
    yield from table(path.with_suffix(".flow_bins.csv"), "flow_bin")


# --- records to the truth -------------------------------------------------------------------------


class Fields:
    """Takes a record's fields by name and kind, and says which is wrong."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def count(self, name: str) -> int:
        value = self.record.get(name)
        if type(value) is not int or value < 0:
            raise ValueError(f"{name}: {value!r} is no count" if name in self.record
                             else f"{name} is missing")
        return value

    def count_or(self, name: str, absent: Any) -> Any:
        return self.count(name) if name in self.record else absent

    def text(self, name: str) -> str:
        value = self.record.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{name} is missing or no text")
        return value

    def flag(self, name: str) -> bool:
        value = self.record.get(name)
        if not isinstance(value, bool):
            raise ValueError(f"{name} is neither true nor false")
        return value

    def direction(self) -> str:
        value = self.record.get("direction")
        if value not in DIRECTIONS:
            raise ValueError(f"direction: {value!r} is neither down nor up")
        return str(value)

    def amount(self, name: str) -> Amount:
        return Amount(self.count(f"{name}_packets"), self.count(f"{name}_bytes"))


NO_DROPS: dict[str, Amount] = {}  # of most bins; nobody writes to it


def take_drops(f: Fields) -> dict[str, Amount]:
    causes = [name[len("drop_"):-len("_packets")] for name in f.record
              if name.startswith("drop_") and name.endswith("_packets")]
    drops = {cause: f.amount(f"drop_{cause}") for cause in causes}
    return {cause: amount for cause, amount in drops.items() if amount.packets} or NO_DROPS


def take_header(truth: Truth, f: Fields) -> None:
    if f.record.get("format") != FORMAT:
        raise ValueError(f"format {f.record.get('format')!r}: only {FORMAT} can be read")
    if f.count("bin_ns") == 0:
        raise ValueError("bin_ns is 0")
    scenario = f.record.get("scenario")
    if not isinstance(scenario, dict):
        raise ValueError("scenario is missing")
    Fields(scenario).count("mtu")
    for direction in DIRECTIONS:
        line = scenario.get(direction)
        if not isinstance(line, dict):
            raise ValueError(f"scenario.{direction} is missing")
        for name in ("overhead_bytes", "aggregate_packets", "aggregate_gap_ns", "policer_bps"):
            Fields(line).count(name)
    truth.header = f.record


def take_bin(truth: Truth, f: Fields) -> None:
    bins = truth._bins[f.direction()]
    taken = Bin(f.count("at_ns"), f.count("length_ns"), f.amount("offered"), f.amount("delivered"),
                f.count("tcp_payload_bytes"), f.count_or("capacity_bytes", None),
                f.amount("queued"), f.count("queued_max_bytes"), f.count_or("delay_min_ns", None),
                f.count_or("delay_sum_ns", None), f.count_or("delay_max_ns", None),
                f.count_or("late_packets", 0), f.count_or("overdue_bytes", 0), take_drops(f))
    if bins and taken.at_ns <= bins[-1].at_ns:
        raise ValueError(f"the bin at {taken.at_ns} ns comes after one at {bins[-1].at_ns} ns")
    bins.append(taken)


def take_flow_bin(truth: Truth, f: Fields) -> None:
    taken = FlowBin(f.count("at_ns"), f.count("unique_payload_bytes"), f.count("payload_bytes"))
    direction = f.direction()
    if f.record.get("flow") == "other":
        truth._other[direction][taken.at_ns] = taken
    else:
        truth._flow_bins[f.count("flow")].append(taken)


def take_flow(truth: Truth, f: Fields) -> None:
    if f.count("flow") != len(truth.flows):
        raise ValueError(f"flow {f.count('flow')} where {len(truth.flows)} was to be")
    takers: dict[str, Any] = {"int": f.count, "str": f.text, "bool": f.flag}
    taken = {name: takers[kind](name) for name, kind in Flow.__annotations__.items()}
    truth.flows.append(Flow(**taken | {"direction": f.direction()}))


def take_delays(where: dict[str, Delays], f: Fields) -> None:
    buckets = f.record.get("buckets")
    if not isinstance(buckets, list) or not all(
            isinstance(b, list) and len(b) == 2 and all(type(n) is int and n >= 0 for n in b)
            for b in buckets):
        raise ValueError("buckets: a list of [ns, packets] is expected")
    where[f.direction()] = Delays(f.count("packets"), f.count("sum_ns"), f.count_or("min_ns", None),
                                  f.count_or("max_ns", None), [(b[0], b[1]) for b in buckets])


def take_end(truth: Truth, f: Fields) -> None:
    if f.text("verdict") not in ("stands", "void"):
        raise ValueError(f"verdict: {f.text('verdict')!r} is neither stands nor void")
    for name in ("duration_ns", "bins", "flow_bins", "flows"):
        f.count(name)
    for direction in DIRECTIONS:
        if not isinstance(f.record.get(direction), dict):
            raise ValueError(f"{direction} is missing")
    truth.end = f.record


TAKERS = {
    "header": take_header,
    "bin": take_bin,
    "flow_bin": take_flow_bin,
    "flow": take_flow,
    "delay": lambda truth, f: take_delays(truth.delays, f),
    "lateness": lambda truth, f: take_delays(truth.lateness, f),
    "end": take_end,
}


def take_all(truth: Truth, all_records: Iterable[tuple[Path, int, Record]]) -> None:
    for path, number, record in all_records:
        kind = record["record"]
        taker = TAKERS.get(kind)
        if (kind == "header") is not (not truth.header):
            raise TruthError(path, number, "a header is expected here" if not truth.header
                             else "a second header")
        if taker is None:
            raise TruthError(path, number, f"a record of kind {kind!r} is not known")
        try:
            taker(truth, Fields(record))
        except ValueError as e:
            raise TruthError(path, number, f"{kind}: {e}") from None


def count_what_was_read(truth: Truth) -> None:
    if truth.end is None:
        return
    read = {
        "bins": sum(map(len, truth._bins.values())),
        "flow_bins": sum(map(len, (*truth._flow_bins.values(), *truth._other.values()))),
        "flows": len(truth.flows),
    }
    for name, n in read.items():
        if truth.end[name] != n:
            truth.warnings.append(f"{truth.end[name]} {name} were written, {n} are there")


def read(path: str | Path) -> Truth:
    """The whole file. A last line that was cut off is among the warnings, and the run is void; what
    is no truth is TruthError, a file that is not there OSError."""
    truth = Truth()
    try:
        take_all(truth, records(path))
    except CutOff as e:
        truth.warnings.append(str(e))
    if not truth.header:
        raise TruthError(Path(path), 1, "no header: this is no truth of a link")
    count_what_was_read(truth)
    return truth
