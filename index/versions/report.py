"""Results of quality checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One check: the value found, the value wanted, and advice where it failed."""

    name: str
    found: float
    wanted: str
    passed: bool
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the check for JSON; without the key `advice` where there is none."""
        return {name: value for name, value in asdict(self).items() if name != "advice" or value}


@dataclass(frozen=True)
class Report:
    """Results of a version's quality checks."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> str:
        """Failed checks as text, with values found and wanted, and advice."""
        return "; ".join(
            f"{c.name}: found {c.found:.6g}, wanted {c.wanted}{f' ({c.advice})' if c.advice else ''}"
            for c in self.checks
            if not c.passed
        )

    @classmethod
    def of(cls, value: dict[str, Any]) -> Report:
        """Restore a report from the result of `as_dict`."""
        return cls(tuple(Check(**check) for check in value["checks"]))

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [check.as_dict() for check in self.checks]}
