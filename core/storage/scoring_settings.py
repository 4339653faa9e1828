"""Settings of the score corrections, as stored in a model's card and a version's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, TypeAlias

from pydantic import Field, TypeAdapter

Strength = Annotated[float, Field(ge=-1000, le=1000)]
"""Range of the strengths of score corrections."""

Depth: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
"""Length of the lists that a bias balances."""

DepthWeight: TypeAlias = Annotated[float, Field(ge=0, le=4)]
"""Weight of the bias balanced at one depth."""

MAX_DEPTHS = 8
"""Maximum number of depths that biases are balanced at: the fit of each takes time and memory."""


OF_BALANCED = ("balanced", "target_exponent", "sweeps")
"""Settings of balanced biases, which have no effect where there are none."""


@dataclass(frozen=True)
class ScoringSettings:
    """Strength of the score corrections of a model's versions; see `riyl.index.scoring.score`.

    The paper's method corrects nothing.

    Attributes:
        hubness: b of h(y) = b (mean score of y for the artists it scores highest for) - v p(y) + balanced biases,
            0 for none.
        popularity: v, where p(y) is the rank of y by distinct listeners, from -1 to 1.
        neighbours: number of artists in that mean.
        calibration: g of c(p, q) = g (mean over q' of t(p, q') - t(p, q)), t the mean best score; 0 for none.
        tail: share of the candidates whose scores count as the best.
        balanced: by depth, the weight in h of the bias balanced there (`riyl.index.scoring.balance`); empty for none.
        target_exponent: exponent of 1 + distinct listeners in the targets of these biases; 0 for equal targets.
        sweeps: number of updates in their fit.
    """

    hubness: Strength = 0.0
    popularity: Strength = 0.0
    neighbours: Annotated[int, Field(ge=1, le=100_000)] = 200
    calibration: Strength = 0.0
    tail: Annotated[float, Field(gt=0, le=1)] = 0.005
    balanced: Annotated[Mapping[Depth, DepthWeight], Field(max_length=MAX_DEPTHS)] = field(default_factory=dict)
    target_exponent: Annotated[float, Field(ge=0, le=1)] = 0.0
    sweeps: Annotated[int, Field(ge=1, le=20)] = 3

    @property
    def weights_by_depth(self) -> dict[int, float]:
        """Weights above 0 of balanced biases by depth, depths ascending."""
        return {depth: weight for depth, weight in sorted(self.balanced.items()) if weight}

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON; without those of balanced biases where there are none, as before these."""
        settings = asdict(self)
        balanced = {str(depth): weight for depth, weight in sorted(self.balanced.items())}
        if balanced:
            return settings | {"balanced": balanced}
        return {name: value for name, value in settings.items() if name not in OF_BALANCED}


SCORING = TypeAdapter(ScoringSettings)


NO_SCORING = ScoringSettings()
"""No corrections: scores are cosines."""
