"""Recipe of a snapshot: how each kind of table becomes features. Read from TOML and validated once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.core.toml_files import read_toml


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TagRecipe(_Section):
    """Tags: an artist-tag matrix of association scores, factored by truncated SVD."""

    weighting: Literal["ppmi", "tfidf"] = "ppmi"
    """Association of artist and tag: positive pointwise mutual information (`ppmi`, the default and the paper's) or
    TF-IDF (`tfidf`)."""
    dims: int = Field(default=200, ge=1)
    """Width of the tag vectors; less where the matrix is smaller. The default is as wide as the paper's embedding."""
    min_artists: int = Field(default=2, ge=1)
    """Minimum number of artists that must have a tag for it to count. The default is 2 because a tag of one artist
    relates it to no other artist."""


class CfRecipe(_Section):
    """Plays: weighted matrix factorisation of artists by listeners (Hu, Koren, Volinsky 2008), fitted by ALS."""

    factors: int = Field(default=64, ge=1)
    """Number of factors, which is the width of the CF vectors. 64, because with tuned values 128 did no better on OLGA,
    and 32 did worse (docs/model.md)."""
    regularization: float = Field(default=1.0, gt=0)
    """L2 penalty on the factors. The paper prints no value; `riyl snapshot build --tune cf` searches one for a
    catalog."""
    alpha: float = Field(default=1.0, gt=0)
    """Factor of confidence: the confidence of a play is alpha times its weighted count. The default adds no further
    factor; `riyl snapshot build --tune cf` searches a value for a catalog."""
    counts: Literal["log1p", "raw", "binary"] = "log1p"
    """Weighted count of a play: `log1p`, log(1 + count), the default because it limits the influence of heavy
    listeners; `raw`, the count; or `binary`, 1."""
    iterations: int = Field(default=15, ge=1)
    """Number of iterations of alternating least squares. The paper prints no value; `riyl snapshot build --tune cf`
    searches one for a catalog."""
    listener_factors: int = Field(default=150, ge=0, exclude_if=lambda width: width == 0)
    """Maximum width of the block "listeners", which a snapshot has beside the CF vectors: the listeners of an artist
    are its terms, weighted by TF-IDF and reduced by truncated SVD. Less where there are fewer artists or listeners. The
    default was as good as 300 on OLGA (docs/model.md). 0 makes no block, and is no part of a
    recipe's dump, so that snapshots from before this field keep their ids."""


class VectorRecipe(_Section):
    """Vectors (audio and modalities that the user adds): the mean over an artist's rows, then scaled."""

    scale: Literal["none", "standard"] = "none"
    """Scaling of the mean vectors: `none`, the default, keeps them, as suits learned embeddings; `standard` gives each
    dimension mean 0 and deviation 1 over the artists, as suits descriptors in different units."""


class Recipe(_Section):
    """A whole recipe: one section a kind of table; `vectors` holds one section a vector modality, by its name."""

    tags: TagRecipe = TagRecipe()
    """Settings of tags."""
    cf: CfRecipe = CfRecipe()
    """Settings of plays."""
    vectors: dict[str, VectorRecipe] = {}
    """Settings of each vector modality, by name; a modality that is not named takes the defaults."""
    seed: int = Field(default=0, ge=0)
    """Seed of the start of ALS and of the SVD, and of the choice of held-out artists."""
    holdout: float = Field(default=0.0, ge=0, le=0.5, exclude_if=lambda share: share == 0)
    """Share of the artists held out of the fit of the featurizer and of everything trained on it. They are featurized
    like all others, and show how a model treats artists that it has not seen. 0 by default, because a catalog in use
    needs all its artists; 0 is no part of a recipe's dump, so that snapshots from before this field keep their ids."""


def stored_recipe(document: Mapping[str, Any]) -> Recipe:
    """Validate a recipe as a featurizer stores it: a CF section without `listener_factors` is of a fit without them.

    Raises:
        ValueError: it is no recipe.
    """
    section = document.get("cf", {})
    return Recipe.model_validate(
        {**document, "cf": stored_cf_recipe(section) if isinstance(section, dict) else section}
    )


def stored_cf_recipe(section: Mapping[str, Any]) -> CfRecipe:
    """Validate the CF section of a recipe as a featurizer stores it; see `stored_recipe`.

    Raises:
        ValueError: it is no such section.
    """
    return CfRecipe.model_validate({"listener_factors": 0, **section})


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file; missing settings have their defaults.

    Raises:
        ConfigError: the file is no TOML, or has an unknown name or a wrong value; the message names file, place, the
            value found and the value wanted.
    """
    return read_toml(path, Recipe, renamed={"held_out": "holdout"})
