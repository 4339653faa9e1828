"""Gaussian-process search of the CF hyper-parameters on validation plays; every trial is stored when it ends."""

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
"""Values of hyper-parameters by their name in the recipe."""

FORMAT = 1
RANDOM_TRIALS = 6
"""Number of trials before the Gaussian process proposes values: the recipe's own values, then random ones."""


@dataclass(frozen=True)
class Range:
    """Range in which a hyper-parameter is searched, both ends included; on a log scale unless it is a whole number."""

    low: float
    high: float
    whole: bool = False

    def widened(self, value: float) -> Range:
        """Return this range, extended to include `value`."""
        return Range(min(self.low, value), max(self.high, value), self.whole)

    def rounded(self, value: float) -> float:
        """Return `value` rounded to three digits, so that it can be copied into a recipe by hand."""
        return int(value) if self.whole else min(max(float(f"{value:.3g}"), self.low), self.high)


SPACE: Mapping[str, Range] = {
    "regularization": Range(0.01, 1000.0),
    "alpha": Range(0.1, 100.0),
    "iterations": Range(5, 30, whole=True),
}
"""Ranges of the search: the L2 penalty on the factors and the scale of confidence, which only together determine how
far a play outweighs its absence, both on a log scale; and the iterations of ALS, since an early stop also regularises.
The number of factors, which is the width of the CF vectors, and the weighting of counts stay as the recipe has them."""


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
        id: hash of the plays, the recipe's CF section, seed and holdout share, and the ranges.
        recipe: the recipe with the best values in its CF section.
        trials: all trials by number; number 0 has the recipe's own values.
    """

    id: str
    recipe: Recipe
    trials: Sequence[Trial]

    @property
    def best(self) -> Trial:
        """Trial with the highest score, the earliest of equals; so it is never worse than number 0."""
        return _best(self.trials)

    def record(self) -> dict[str, Any]:
        """Return the search as JSON."""
        return {
            **_head(self.id),
            "objective": f"nDCG@{K} of validation plays by the cosine of artists, mean over listeners",
            "best": self.best.number,
            "trials": [asdict(trial) for trial in self.trials],
        }


def tune_cf(tables: Tables, recipe: Recipe, folder: Path, *, trials: int, progress: Progress = silent) -> Tuning:
    """Search the CF hyper-parameters that rank validation plays best.

    Trial k depends only on the seed and on the trials before it, and is stored when it ends. So a killed search
    continues after its last finished trial to the same result, and a search of more trials starts with those of a
    shorter one.

    Args:
        tables: tables with artists and plays.
        recipe: its CF section is the first trial; its seed draws the validation plays and all proposals. The artists
            that it holds out are ignored.
        folder: folder of the stored trials, one file a search.
        trials: total number of trials, including those that are already stored.
        progress: called with the step, the trials done and their total.

    Raises:
        ConfigError: `trials` is below one.
        InputError: there is no plays table, or too few plays for validation.
        FormatError: the stored trials are damaged, or have another format.
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
    """Propose the next trial's values from the trials `done`, by a new sampler that is seeded by the trial's number.

    The sampler is a Gaussian process with a Matern 5/2 kernel that maximises the logarithm of the expected improvement
    (optuna's GPSampler).
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
    """Score a recipe: fit it on the kept plays, fold the artists in as a snapshot does, and rank the validation plays.

    The score is 0 if ALS fails in float32, because the penalty is too small for the confidences.
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
    return recipe.model_copy(update={"cf": CfRecipe.model_validate({**dict(recipe.cf), **values})})


def _identity(tables: Tables, recipe: Recipe, space: Mapping[str, Range]) -> str:
    """Return the identity of a search: a hash of everything its trials depend on. CF reads only two of the tables."""
    used = {tables.files[table].name for table in ("artists", "plays")}
    return content_id(
        "tuning",
        {
            "tables": {name: digest for name, digest in tables.digests().items() if name in used},
            "recipe": recipe.cf.model_dump(exclude={"listener_factors"}),
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
        raise FormatError(f"{path}: damaged trials ({error}); remove the file to start the search again") from error
