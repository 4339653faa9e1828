"""What quality checks found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, what was wanted, and what to do where that is not the same."""

    name: str
    found: float
    wanted: str
    passed: bool
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without advice where there is none."""
        return {name: value for name, value in asdict(self).items() if name != "advice" or value}


@dataclass(frozen=True)
class Report:
    """What the quality checks found."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> str:
        """What did not hold, found and wanted, and what to do."""
        return "; ".join(
            f"{c.name}: found {c.found:.6g}, wanted {c.wanted}{f' ({c.advice})' if c.advice else ''}"
            for c in self.checks
            if not c.passed
        )

    @classmethod
    def of(cls, value: dict[str, Any]) -> Report:
        """The report that `as_dict` gave."""
        return cls(tuple(Check(**check) for check in value["checks"]))

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [check.as_dict() for check in self.checks]}
