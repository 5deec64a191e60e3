"""What the nights have in common with tests/faults and tests/servers."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / folder) for folder in ("faults", "servers", "peers")]
