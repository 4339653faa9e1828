"""Arguments and standard streams of the command line."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from riyl.core.errors import InputError


def arguments() -> list[str]:
    """Return the process's arguments as UTF-8 text, also under a locale without UTF-8."""
    argv = sys.argv[1:]
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8":
        return argv
    return [os.fsencode(each).decode("utf-8", "surrogateescape") for each in argv]


def path(text: str) -> Path:
    """Convert typed text to a path and expand ~, which the shell leaves alone in --option=~/x.

    Raises:
        OSError: ~ cannot be expanded.
    """
    # back to the encoding in which this process names files
    typed_path = Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))
    try:
        return typed_path.expanduser()
    except RuntimeError as error:
        raise OSError(f"{text}: found ~, but the user has no home folder") from error


def expanded(text: str) -> str:
    """Return a name or path as typed, with a leading ~ expanded as the shell does."""
    return str(path(text)) if text.startswith("~") else text


def named(texts: Sequence[str] | None, option: str, *, among: Collection[str] | None = None) -> dict[str, str]:
    """Split the values of a repeated option NAME=VALUE, and expand a leading ~ of each VALUE.

    Args:
        texts: values of the option.
        option: the option, for messages.
        among: the only names that a text may begin with; another text is a VALUE alone, of the name "". None takes any
            name, and requires one.

    Raises:
        InputError: a text has no name, no = or no value, or a name occurs twice.
    """
    values: dict[str, str] = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        if among is not None and name not in among:
            name, value = "", text
        if not value or (not name and among is None):
            raise InputError(f"{option}: found {text!r}; wanted NAME=VALUE")
        if name in values:
            what = f"the name {name!r}" if name else "a value without a name"
            raise InputError(f"{option}: found {what} twice; wanted each name once")
        values[name] = expanded(value)
    return values


@contextmanager
def standard_streams() -> Iterator[None]:
    """Prepare standard output and error for the block: characters outside the encoding are written as escapes.

    A closed pipe (`| head`) ends the process silently with exit code 1; any other failure to write (a full disk) ends
    it with exit code 1 and the reason.
    """
    _open(1)
    _open(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(1) from None
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            # else the interpreter would flush again at exit, and print a traceback
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if not isinstance(error, BrokenPipeError):
                sys.stderr.write(f"error: cannot write to standard output: {error.strerror}\n")
            raise SystemExit(1) from None


def in_utf8() -> bool:
    """Return whether standard output can encode every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _open(descriptor: int) -> None:
    """Open the null device in place of a standard stream that the process was started without."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        if descriptor == 1:
            sys.stdout = stream
        else:
            sys.stderr = stream
