"""What the files here share."""

from __future__ import annotations

import pytest


@pytest.fixture
def wire(tmp_path):
    """A link that changes nothing."""
    path = tmp_path / "wire.link"
    path.write_text("")
    return path
