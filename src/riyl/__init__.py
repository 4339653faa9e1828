"""RIYL ("recommended if you like"): artist similarity from tags, listeners and sound."""

from importlib.metadata import version

__version__ = version("riyl")
