"""Prints what a ctest run left out, and why: python3 skipped.py JUNIT.xml

A whole test that answered 77 is told with what it said; of a test that passed, the lines in which
its runner names a part that was left out.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

# pytest -rs, cmocka, and our own "io_uring: skipped, this kernel bars it".
PART = re.compile(r"^SKIPPED \[|^\[  SKIPPED \]|^skip: |^[\w ]+: skipped, ", re.IGNORECASE)
NOISE = re.compile(r"^\s*$|^[=\[]|^\d+ skipped")


def lines_of(case):
    output = case.findtext("system-out") or ""
    lines = [line.rstrip() for line in output.splitlines()]
    if case.find("skipped") is None:
        return [line for line in lines if PART.match(line)]
    told = [line for line in lines if PART.match(line)]
    return told or [line for line in lines if not NOISE.match(line)] or ["(said nothing)"]


def main(path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.get("status") == "disabled":
            continue
        for line in dict.fromkeys(lines_of(case)):
            if case.find("skipped") is not None or PART.match(line):
                print(f"  {case.get('name')}: {line}")


if __name__ == "__main__":
    main(sys.argv[1])
