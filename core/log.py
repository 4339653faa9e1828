"""Logging of commands and batch work: one line per event, to stderr."""

from __future__ import annotations

import logging


def configure(level: str = "WARNING") -> None:
    """Send log records from `level` upward to stderr; called once, by the entry point of the process."""
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")
