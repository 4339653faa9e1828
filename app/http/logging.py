"""Logs of the service: one JSON object per line, on stderr.

Acts (a version loaded or refused, start and stop) come through the loggers of their modules. Request lines do not:
`RequestLog` writes them at a hundredth of the cost of a request, where a log record costs a fifth. Both are at level
INFO, the level of `riyl serve` unless RIYL_LOG_LEVEL says otherwise: RIYL_LOG_LEVEL=WARNING silences request lines.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from time import time

import orjson

FLUSH_S = 0.2
"""Maximum delay of a request line, in seconds, so that many requests share one write."""

OURS = "riyl"
"""Package whose records follow the configured level; records of libraries pass from WARNING upward."""

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formatter that writes a record as one JSON object: time, level, logger, event, and the fields of `extra`.

    RIYL's own messages are event words; a library's message is kept as `message` under the event "library".
    """

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.split(".")[0] == OURS
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if ours else "library",
        }
        if not ours:
            line["message"] = record.getMessage()
        line.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure(level: str) -> None:
    """Send every log record from `level` upward to stderr as JSON. The entry point of a process calls this once."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    ours = logging.getLevelName(level.upper())
    logging.getLogger().setLevel(max(logging.WARNING, ours))
    logging.getLogger(OURS).setLevel(ours)


class RequestLog:
    """Log of one line per request, written in batches from the event loop."""

    def __init__(self) -> None:
        self._requests: list[tuple[float, str, str, str, int, float, str | None]] = []
        self._enabled = logging.getLogger(__name__).isEnabledFor(logging.INFO)

    def add(self, request_id: str, method: str, path: str, status: int, seconds: float, version: str | None) -> None:
        """Add a request; `path` is the route's template, so that lines can be counted by it."""
        if not self._enabled:
            return
        if not self._requests:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._requests.append((time(), request_id, method, path, status, seconds, version))

    def flush(self) -> None:
        """Write the requests added since the last flush."""
        requests, self._requests = self._requests, []
        lines = [
            orjson.dumps(
                {
                    "time": datetime.fromtimestamp(at, UTC),
                    "level": "error" if status >= 500 else "info",
                    "event": "request",
                    "request_id": request_id,
                    "method": method,
                    "path": path,
                    "status": status,
                    "ms": round(seconds * 1000, 3),
                    "version": version,
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for at, request_id, method, path, status, seconds, version in requests
        ]
        sys.stderr.write(b"".join(lines).decode())
        sys.stderr.flush()
