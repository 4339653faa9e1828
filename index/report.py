"""What a gate found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what was wanted."""

    name: str
    found: float
    wanted: str
    passed: bool


@dataclass(frozen=True)
class Report:
    """What the gate found."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> str:
        """What did not hold, found and wanted."""
        return "; ".join(f"{c.name}: found {c.found:.6g}, wanted {c.wanted}" for c in self.checks if not c.passed)

    @classmethod
    def of(cls, value: dict[str, Any]) -> Report:
        """The report that `as_dict` gave."""
        return cls(tuple(Check(**check) for check in value["checks"]))

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [asdict(check) for check in self.checks]}
