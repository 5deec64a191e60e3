"""Where the fakes of the pod service, the daemon and the lab server's runner are found."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / folder) for folder in ("service", "servers", "peers")]
