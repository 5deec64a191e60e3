"""What the files here share."""

from machine import namespace  # noqa: F401 (a fixture)
