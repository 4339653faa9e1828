"""Logging for command line and batch work: one line an event, to stderr."""

from __future__ import annotations

import logging


def configure(level: str = "WARNING") -> None:
    """Send log records to stderr, from `level` upward. Called once, by the process's entry point."""
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")
