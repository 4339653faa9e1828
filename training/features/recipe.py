"""The recipe of a snapshot: how each kind of table becomes vectors. Read from TOML, checked once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.core.settings import read_toml


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TagRecipe(_Section):
    """Tags: an artist-tag matrix of association scores, factored by truncated SVD."""

    weighting: Literal["ppmi", "tfidf"] = "ppmi"
    """Association of artist and tag: positive pointwise mutual information (the paper's) or TF-IDF."""
    dims: int = Field(default=200, ge=1)
    """Width of the tag vectors; less where the matrix is smaller."""
    min_artists: int = Field(default=2, ge=1)
    """Artists that must share a tag for it to count; a tag of one artist relates it to nobody."""


class CfRecipe(_Section):
    """Plays: weighted matrix factorisation of artists by listeners (Hu, Koren, Volinsky 2008), fitted by ALS."""

    factors: int = Field(default=64, ge=1)
    """Width of the CF vectors."""
    regularization: float = Field(default=1.0, gt=0)
    """L2 penalty on the factors."""
    alpha: float = Field(default=1.0, gt=0)
    """Confidence of a play is alpha times its weighted count."""
    counts: Literal["log1p", "raw", "binary"] = "log1p"
    """Weighted count: log(1 + count), which tames heavy listeners; the count; or 1."""
    iterations: int = Field(default=15, ge=1)
    """Sweeps of alternating least squares."""


class VectorRecipe(_Section):
    """Vectors (audio and what the user adds): the mean over an artist's rows, then scaled."""

    scale: Literal["none", "standard"] = "none"
    """Leave the mean as it is, right for learned embeddings; or give each dimension mean 0 and deviation 1 over
    the artists, right for descriptors in different units."""


class Recipe(_Section):
    """A whole recipe: a section a kind of table; `vectors` holds one section a vector modality, by its name."""

    tags: TagRecipe = TagRecipe()
    cf: CfRecipe = CfRecipe()
    vectors: dict[str, VectorRecipe] = {}
    seed: int = Field(default=0, ge=0)
    """Start of ALS and of the SVD, and who is held out."""
    holdout: float = Field(default=0.0, ge=0, le=0.5, exclude_if=lambda share: share == 0)
    """Share of the artists that the featurizer, and whatever is trained on it, is fitted without; they are placed in it
    like all others, and show what a model makes of artists it has not seen. None by default, and then it is no part of
    a recipe's dump, so that snapshots keep the ids they had before there was this field."""


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file; what it leaves out has the default.

    Raises:
        ConfigError: not TOML, an unknown name or a wrong value; the message names file, place, found and wanted.
    """
    return read_toml(path, Recipe, renamed={"held_out": "holdout"})
