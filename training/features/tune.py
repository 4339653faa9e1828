"""Gaussian-process search of the CF hyper-parameters on held-back plays; every trial is stored when it ends."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, FormatError, InputError
from riyl.core.extras import needs_extra
from riyl.core.files import content_id, write_json
from riyl.core.types import Progress, silent
from riyl.training.features.als import fit_cf
from riyl.training.features.holdout import holdout_artists
from riyl.training.features.read import read_plays
from riyl.training.features.recipe import CfRecipe, Recipe
from riyl.training.features.validation import LISTENERS, SHARE, K, ValidationPlays, split_validation, validation_ndcg

log = logging.getLogger(__name__)

Values: TypeAlias = dict[str, float]
"""Hyper-parameters by their name in the recipe."""

FORMAT = 1
RANDOM_TRIALS = 6
"""Trials before the Gaussian process proposes: the recipe's own values, then random ones."""


@dataclass(frozen=True)
class Range:
    """Where a hyper-parameter is searched, both ends included; on a log scale where its order of magnitude counts."""

    low: float
    high: float
    whole: bool = False

    def widened(self, value: float) -> Range:
        """This range, or one that reaches as far as `value`."""
        return Range(min(self.low, value), max(self.high, value), self.whole)

    def rounded(self, value: float) -> float:
        """`value` in three digits, so that it can be written into a recipe by hand."""
        return int(value) if self.whole else min(max(float(f"{value:.3g}"), self.low), self.high)


SPACE: Mapping[str, Range] = {
    "regularization": Range(0.01, 1000.0),
    "alpha": Range(0.1, 100.0),
    "iterations": Range(5, 30, whole=True),
}
"""What is searched: the L2 penalty on the factors and the scale of confidence, which only together say how far a play
outweighs its absence, both on a log scale; and the sweeps of ALS, since stopping early also regularises. The number of
factors is the width of the CF vectors and stays the recipe's, as does how counts are weighted."""


@dataclass(frozen=True)
class Trial:
    """One set of values and its score, `validation_ndcg`."""

    number: int
    values: Values
    score: float


@dataclass(frozen=True)
class Tuning:
    """A finished search.

    Attributes:
        id: hash of the plays, the recipe's own CF section, seed and share held out, and the ranges.
        recipe: with the best values in its CF section.
        trials: by number; number 0 has the recipe's own values.
    """

    id: str
    recipe: Recipe
    trials: Sequence[Trial]

    @property
    def best(self) -> Trial:
        """The trial of the highest score, the earliest of equals; so never worse than number 0."""
        return _best(self.trials)

    def record(self) -> dict[str, Any]:
        """The search as JSON holds it."""
        return {
            **_head(self.id),
            "objective": f"nDCG@{K} of held-back plays by the cosine of artists, mean over listeners",
            "best": self.best.number,
            "trials": [asdict(trial) for trial in self.trials],
        }


def tune_cf(tables: Tables, recipe: Recipe, folder: Path, *, trials: int, progress: Progress = silent) -> Tuning:
    """Search the CF hyper-parameters that rank held-back plays best.

    Trial k is a function of the seed and the trials before it, and is stored when it ends. So a search that was
    killed goes on behind its last finished trial to the same end, and one of more trials begins with those of one of
    fewer.

    Args:
        recipe: whose CF section is the first trial, and whose seed draws the plays held back and all proposals; the
            artists that it holds out take no part.
        folder: where trials are stored, a file a search.
        trials: how many to make in all, those that are stored already included.

    Raises:
        ConfigError: fewer than one trial was asked for.
        InputError: there is no plays table, or too little in it to hold back.
        FormatError: the stored trials are damaged, or of a newer format.
    """
    if trials < 1:
        raise ConfigError(f"trials: found {trials}; wanted at least 1")
    if "plays" not in tables.files:
        raise InputError(f"{tables.folder}: found no plays table; wanted one to tune cf on")
    recipe_values: Values = {name: getattr(recipe.cf, name) for name in SPACE}
    space = {name: range_.widened(recipe_values[name]) for name, range_ in SPACE.items()}
    identity = _identity(tables, recipe, space)
    stored = folder / f"{identity}.json"
    done = _read(stored)
    if len(done) < trials:
        artists = tables.artists().column("artist_id").to_pylist()
        holdout = holdout_artists(artists, recipe.holdout, recipe.seed)
        plays = read_plays(tables, artists, progress).among(~holdout)
        split = split_validation(plays.weights, recipe.seed)
        for number in range(len(done), trials):
            progress("tune cf", number, trials)
            values = recipe_values if number == 0 else _propose(done, space, recipe.seed)
            score = _score(split, plays.terms, _chosen(recipe, values).cf, recipe.seed)
            done.append(Trial(number, values, score))
            write_json(stored, {**_head(identity), "trials": [asdict(trial) for trial in done]})
            log.info("cf_trial number=%d score=%.6f values=%s", number, score, values)
    progress("tune cf", trials, trials)
    used_trials = done[:trials]
    return Tuning(identity, _chosen(recipe, _best(used_trials).values), used_trials)


def _propose(done: Sequence[Trial], space: Mapping[str, Range], seed: int) -> Values:
    """The next trial's values, from nothing but these: a sampler of its own, seeded by the trial's number.

    A Gaussian process with a Matern 5/2 kernel and the logarithm of the expected improvement (optuna's GPSampler).
    """
    with needs_extra("train"):
        import optuna
    from threadpoolctl import threadpool_limits

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.IntDistribution(int(range_.low), int(range_.high))
        if range_.whole
        else optuna.distributions.FloatDistribution(range_.low, range_.high, log=True)
        for name, range_ in space.items()
    }
    sampler = optuna.samplers.GPSampler(
        seed=int(np.random.SeedSequence([seed, len(done)]).generate_state(1)[0]),
        n_startup_trials=RANDOM_TRIALS,
        warn_independent_sampling=False,
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in done:
        optuna_trial = optuna.trial.create_trial(
            params=dict(trial.values), distributions=distributions, value=trial.score
        )
        study.add_trial(optuna_trial)
    with threadpool_limits(1, "blas"):
        proposed = study.ask(distributions).params
    return {name: range_.rounded(proposed[name]) for name, range_ in space.items()}


def _score(split: ValidationPlays, users: list[str], recipe: CfRecipe, seed: int) -> float:
    """Fit on what was kept, fold the artists in as a snapshot does, and rank what was held back.

    Where ALS breaks down in float32, its penalty too small for its confidences, the score is 0.
    """
    with needs_extra("train"):
        from implicit.recommender_base import ModelFitError
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        try:
            modality_featurizer = fit_cf(split.kept, users, recipe, seed)
        except (ValueError, ModelFitError) as error:
            log.warning("cf_fit_failed error=%s", error)
            return 0.0
        return validation_ndcg(modality_featurizer.transform(split.kept), split)


def _best(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: (trial.score, -trial.number))


def _chosen(recipe: Recipe, values: Values) -> Recipe:
    return recipe.model_copy(update={"cf": CfRecipe.model_validate({**recipe.cf.model_dump(), **values})})


def _identity(tables: Tables, recipe: Recipe, space: Mapping[str, Range]) -> str:
    """What every trial depends on; other tables and their recipes are nothing to CF."""
    used = {tables.files[table].name for table in ("artists", "plays")}
    return content_id(
        "tuning",
        {
            "tables": {name: digest for name, digest in tables.digests().items() if name in used},
            "recipe": recipe.cf.model_dump(),
            "seed": recipe.seed,
            **({"holdout": recipe.holdout} if recipe.holdout else {}),
            "space": {name: asdict(range_) for name, range_ in space.items()},
            "objective": {"k": K, "share": SHARE, "listeners": LISTENERS, "random_trials": RANDOM_TRIALS},
        },
    )


def _head(identity: str) -> dict[str, Any]:
    return {"kind": "riyl-tuning", "format": FORMAT, "id": identity}


def _read(path: Path) -> list[Trial]:
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise FormatError(f"{path}: found tuning format {document['format']!r}; this RIYL reads format {FORMAT}")
        return [Trial(t["number"], t["values"], t["score"]) for t in document["trials"]]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: damaged trials ({error}); remove the file to begin again") from error
