"""Prints what the failed tests of ctest runs said, at its end: python3 failed.py JUNIT.xml...

A log of every test is long, and whoever keeps it may keep its ends only.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

LINES = 60


def main(paths):
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.get("status") != "fail":
                continue
            print(f"\n== failed: {pathlib.Path(path).stem} {case.get('name')}")
            lines = (case.findtext("system-out") or "").rstrip().splitlines()
            print("\n".join(lines[-LINES:]))


if __name__ == "__main__":
    main(sys.argv[1:])
