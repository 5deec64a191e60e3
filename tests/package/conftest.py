"""Where the fakes of the pod service and the daemon of tests/service are found."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / "service"), str(TESTS / "servers")]
