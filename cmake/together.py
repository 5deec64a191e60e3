"""Makes one ctest run of several builds': python3 together.py FOLDER PRESET...

In FOLDER is then what `ctest --test-dir FOLDER -j 64 --resource-spec-file FOLDER/slots.json` runs: the tests of each
build by the name PRESET/TEST. So ctest has the whole machine to share out, and a test that wants it for itself has it.

A test takes slots of its kind. What is alone (RUN_SERIAL) is first and takes every slot but those that fuzz: it waits
too, and a fuzzer's nice value is no match for it. Then what mostly waits (label `waits`), many at a time, of which each
has a processor as soon as it wants one: its bounds are a contract's. Beside it of the rest, which the processors bound,
a few at a time, niced, and beside one that has several PROCESSORS one other; what fuzzes has what these leave.
"""

import json
import os
import pathlib
import subprocess
import sys

SLOTS = {"processor": os.cpu_count() + 2, "wait": 5 * os.cpu_count(), "fuzzer": os.cpu_count()}
# Without it, of ten that wait, rows that a contract's seconds bound told of the machine (11.6 s for 7 to 11).
NICE = {"wait": 0, "processor": 5, "fuzzer": 15, "alone": 0}
# Of the one build nothing else is made; what looks at the tree sees the same in each, and is left to the last. What
# has the machine alone is there for its rates, of which a sanitizer's build says nothing.
ONLY = {"fuzz": ["-L", "fuzz"], "asan": ["-LE", "tree|alone|deep"], "release": ["-LE", "deep"]}
# A wide one would never find enough slots free behind the narrow ones.
ALONE_FIRST, WAITS_FIRST, WIDE_FIRST = 30000, 20000, 10000


def tests_of(preset):
    words = ["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1", *ONLY.get(preset, [])]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)["tests"]


def shared_out(properties):
    """A test's kind, its slots of the machine, and its cost: the dearest have the first turns."""
    labels = properties.get("LABELS", [])
    if properties.pop("RUN_SERIAL", False):
        return "alone", {kind: SLOTS[kind] for kind in ("processor", "wait")}, ALONE_FIRST
    if "fuzz" in labels:
        return "fuzzer", {"fuzzer": 1}, 1
    if "waits" in labels:
        return "wait", {"wait": 1}, WAITS_FIRST + properties.get("TIMEOUT", 0)
    wide = int(properties.get("PROCESSORS", 1)) > 1
    slots = SLOTS["processor"] - 1 if wide else 1
    return "processor", {"processor": slots}, properties.get("TIMEOUT", 0) + (WIDE_FIRST if wide else 0)


def quoted(value):
    """As CMake reads it, whatever is in it."""
    if isinstance(value, list):
        value = ";".join(map(str, value))
    return f"[==[{value}]==]"


def written(preset, test):
    properties = {p["name"]: p["value"] for p in test["properties"]}
    command = test.get("command", ["NOT_AVAILABLE"])  # what was not built; ctest tells it as "Not Run"
    kind, slots, properties["COST"] = shared_out(properties)
    command = ["nice", "-n", str(NICE[kind]), *command]
    properties["RESOURCE_GROUPS"] = ",".join(f"{of}:{n}" for of, n in slots.items())
    properties["LABELS"] = [*properties.get("LABELS", []), preset]
    properties.pop("PROCESSORS", None)
    name = quoted(f"{preset}/{test['name']}")
    told = " ".join(f"{key} {quoted(value)}" for key, value in properties.items())
    return f"add_test({name} {' '.join(map(quoted, command))})\nset_tests_properties({name} PROPERTIES {told})\n"


def main(folder, *presets):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tests = [written(preset, test) for preset in presets for test in tests_of(preset)]
    (folder / "CTestTestfile.cmake").write_text("".join(tests))
    kinds = {kind: [{"id": "0", "slots": n}] for kind, n in SLOTS.items()}
    (folder / "slots.json").write_text(json.dumps({"version": {"major": 1, "minor": 0}, "local": [kinds]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
