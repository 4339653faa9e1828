"""Training configs: the method of a model and its settings, read from TOML and validated once."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from riyl.core.errors import ConfigError
from riyl.core.settings import read_toml


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MlpSpec(_Section):
    """Encoder of one vector by hidden layers (`riyl.training.contrastive.encoders.MlpEncoder`)."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (512, 256)
    """Widths of the hidden layers, in the order of the layers. The default is the paper's for audio, and RIYL's choice
    for a modality that the paper does not have."""


class SetSpec(_Section):
    """Encoder of a set of tokens by self-attention (`riyl.training.contrastive.encoders.SetEncoder`)."""

    kind: Literal["set"] = "set"
    attention: int = Field(default=256, ge=1)
    """Width of the attention layer, divided among the heads; a multiple of `heads`. The default is the paper's."""
    heads: int = Field(default=4, ge=1)
    """Number of attention heads. The default is the paper's."""
    max_terms: int = Field(default=20, ge=1)
    """Maximum number of tags read of an artist, the heaviest first. More take more time, and hardly any artist has
    them."""
    tokens: Literal["terms", "vector"] = "terms"
    """Tokens of the set: `terms`, the default as in the paper, reads the factors of the artist's tags; `vector` reads
    the artist's one vector as a set of one, which needs no tag sets."""

    @model_validator(mode="after")
    def _heads_divide(self) -> SetSpec:
        if self.attention % self.heads:
            raise ValueError(f"attention {self.attention} is not a multiple of heads {self.heads}")
        return self


EncoderSpec: TypeAlias = Annotated[MlpSpec | SetSpec, Field(discriminator="kind")]


class ContrastiveConfig(_Section):
    """The paper's method: one encoder a modality, trained by InfoNCE over pairs of modalities."""

    method: Literal["contrastive"]
    modalities: tuple[str, ...] = ("audio", "tags", "cf")
    """Order of the modalities; the first of a pair is the anchor. Modalities that a snapshot lacks are skipped; those
    that are not listed follow, sorted by name. The default is the order of the
    `paper-*` configs."""
    encoders: dict[str, EncoderSpec] = {}
    """Encoder of each modality, by name. Modalities that are not named take the default of `MlpSpec`."""
    dim: int = Field(default=200, ge=1, le=256)
    """Width of the embedding space. The default is the paper's."""
    temperature: float = Field(default=0.1, gt=0)
    """Temperature: the loss divides cosines by it. The default is the paper's."""
    symmetric: bool = False
    """Whether the loss also takes each pair with its sides swapped. Off by default, as in the paper."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Learning rate of Adam. The default is the paper's."""
    batch_size: int = Field(default=128, ge=2)
    """Artists in a training step; all artists where there are fewer. The default is the paper's for MSD (2048 for
    OWN)."""
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share, above 0 and below 0.5, of the full artists that is kept out of training to tell when to stop; a tenth, so
    that most artists are left to learn from."""
    stop_by: Literal["rank", "loss"] = "rank"
    """Measure on the validation artists that decides when to stop: `rank`, the mean reciprocal rank of an artist's own
    vector among all vectors of the other modality; or `loss`. The default is `rank`, because ranking is the purpose of
    an embedding, and because the loss gets worse earlier (docs/model.md compares the two)."""
    max_epochs: int = Field(default=200, ge=1)
    """Maximum number of epochs; limits training that `patience` does not end."""
    patience: int = Field(default=5, ge=1)
    """Epochs without an improvement of the `stop_by` measure after which training stops. The weights of the best epoch
    are kept."""


class PcaConfig(_Section):
    """Baseline: principal components of the concatenated modalities."""

    method: Literal["pca"]
    dim: int = Field(default=200, ge=1, le=256)
    """Number of components; fewer where the concatenation is narrower, or where there are fewer full artists. The
    default is the paper's width, so that baselines compare with it."""
    unit_rows: bool = True
    """Whether each modality's vectors are first scaled to unit length. On by default, as the encoders do it."""


class ProjectionConfig(_Section):
    """Baseline: a Gaussian random projection of the concatenated modalities."""

    method: Literal["random-projection"]
    dim: int = Field(default=200, ge=1, le=256)
    """Width of the projection. The default is the paper's width, so that baselines compare with it."""
    unit_rows: bool = True
    """Whether each modality's vectors are first scaled to unit length, as in `PcaConfig`."""


class SingleConfig(_Section):
    """Baseline: the vectors of one modality."""

    method: Literal["single"]
    modality: str
    """Name of the modality."""


class ScoringConfig(_Section):
    """Corrections of scores in the versions of the model (`riyl.core.storage.model.ScoringSettings`).

    All strengths are 0 by default, which corrects nothing, as in the paper's method."""

    hubness: float = Field(default=0.0, ge=0, le=1)
    """Strength of the hubness correction, 0 to 1: factor of an artist's mean score in the lists where it scores
    highest; the product is subtracted from its score."""
    popularity: float = Field(default=0.0, ge=0, le=1)
    """Weight of popularity in the hubness correction, 0 to 1, in units of the score. It reduces the correction of the
    artists with the most listeners by this much, and increases it by as much for those with the fewest, because popular
    artists are near many others for a reason."""
    neighbours: int = Field(default=200, ge=1, le=1000)
    """Number of lists in the mean of the hubness correction. The default is about the length of the lists that the
    service returns; fewer over-correct."""
    calibration: float = Field(default=0.0, ge=0, le=1)
    """Strength of the calibration between availability patterns, 0 to 1; 1 makes all patterns equally likely to be
    found."""
    tail: float = Field(default=0.005, gt=0, le=0.5)
    """Share of the candidates, those with the best scores, that calibration compares between patterns. The default
    is small, because only the best scores matter for lists."""


class FineTuneConfig(_Section):
    """Refinement of the closed form on similarity pairs (`riyl.training.cca.fine_tune`); ignored without pairs.

    Settings were compared on validation artists of OLGA's train partition; docs/model.md lists those that were no
    better."""

    hidden: int = Field(default=256, ge=1)
    """Width of the hidden layer beside each modality's linear map. The default did better than linear maps alone, and
    512 did no better."""
    spread: float = Field(default=8.0, gt=0)
    """Standard deviation, at the start, of the products of the hidden layer with a unit vector. It is well above 1
    because rows of a modality's z are shorter than unit length, and a hidden layer with small products learns
    slowly."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Probability, 0 to below 1, that a step leaves out a modality of a query artist, so that each modality learns to
    work alone."""
    temperature: float = Field(default=0.1, gt=0)
    """Temperature: the loss divides cosines by it. The default is that of the contrastive method;
    with linear maps alone 0.07 and 0.15 were no better."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam; constant, because a cosine schedule was no better."""
    batch_size: int = Field(default=512, ge=1)
    """Query artists in a training step."""
    candidates: int = Field(default=16384, ge=2)
    """Maximum number of candidates that a step's queries are compared with; all artists where there are fewer. Limits
    the memory of a step."""
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share, above 0 and below 0.5, of the artists with pairs whose pairs are kept out of training to tell when to
    stop; a tenth, so that most pairs are left to learn from."""
    max_epochs: int = Field(default=30, ge=1)
    """Maximum number of epochs; limits training that `patience` does not end."""
    patience: int = Field(default=3, ge=1)
    """Epochs without a better nDCG of the validation artists after which training stops. The maps of the best epoch are
    kept."""


class CcaConfig(_Section):
    """Generalised canonical correlation analysis in closed form (`riyl.training.cca.fit`).

    It takes all modalities of a snapshot; settings of a modality that the snapshot lacks are ignored. docs/model.md
    says how the values of `default` were chosen."""

    method: Literal["cca"]
    dim: int = Field(default=256, ge=1, le=256)
    """Maximum width of the embedding; it is narrower where there are fewer directions. The default is the largest
    width allowed, which loses least."""
    shared: int = Field(default=150, ge=1)
    """Maximum number of canonical directions. The default was chosen among 75, 100, 125, 150 and 200
    (docs/model.md)."""
    ridge: float = Field(default=0.3, gt=0)
    """Regularisation: multiple of each modality's mean variance that is added to its covariance. It damps directions of
    little variance, whose correlations are chance. The default was chosen among 0.05, 0.1, 0.3 and 0.5
    (docs/model.md)."""
    correlation_exponent: float = Field(default=0.5, ge=0)
    """Exponent of the scale of a direction, which is its mean canonical correlation to this power, so that
    directions on which modalities agree count more; 0 scales all alike. The config `default` has 0.6."""
    tfidf_dims: int = Field(default=300, ge=0)
    """Width of the TF-IDF factors that replace the snapshot's vectors of a modality made of weighted sets; 0 keeps the
    snapshot's vectors. The default prefers TF-IDF to the paper's PPMI, which gave lower nDCG
    (docs/model.md)."""
    max_terms: int = Field(default=100, ge=1)
    """Maximum number of terms read of a set, the heaviest first. Limits the time of a set with many light terms."""
    norm_shrinkage: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Norm shrinkage by modality: how much more short vectors are shortened. The unit is the root mean square length of
    the modality's vectors; a vector of exactly the given length loses half of the square of its part. Empty (none)
    by default; useful for tags, whose vectors are short where an artist has few."""
    n_fourier_features: dict[str, Annotated[int, Field(ge=0, le=4096)]] = {}
    """Number of random Fourier features by modality, added beside the modality's own numbers so that its map may be
    curved (`riyl.training.cca.linear.RandomFourierFeatures`). Empty (none) by default; meant for descriptors, not for
    learned embeddings."""
    min_artists_per_feature: int = Field(default=25, ge=1)
    """Minimum number of artists for each Fourier feature. With fewer artists a feature, more of the fit is chance;
    docs/model.md shows the loss on a catalog of 5,000 artists."""
    bandwidth: float = Field(default=0.5, gt=0)
    """Width of the kernel of the Fourier features, in units of the median distance between two artists' unit rows."""
    modality_specific_weight: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Weight, by modality, of the modality's own vectors beside the shared directions, which keeps what only this
    modality knows. The unit is the root mean square length of the shared part. Empty (none) by default."""
    scoring: ScoringConfig = ScoringConfig()
    """Score corrections of the model's versions."""
    supervision: FineTuneConfig = FineTuneConfig()
    """Refinement on similarity pairs, used where a training is given pairs."""


Config: TypeAlias = ContrastiveConfig | CcaConfig | PcaConfig | ProjectionConfig | SingleConfig


class _AnyConfig(RootModel[Annotated[Config, Field(discriminator="method")]]):
    """A config file, which holds the settings of one method."""


RENAMED = {
    "artists_a_wave": "min_artists_per_feature",
    "evidence": "norm_shrinkage",
    "held_back": "validation",
    "links": "supervision",
    "longest": "max_terms",
    "power": "correlation_exponent",
    "private": "modality_specific_weight",
    "waves": "n_fourier_features",
}
"""Fields of configs of earlier releases, each with its present name."""

DEFAULT = "default"
"""Name of the config that is used unless another is named."""

SINGLE = "single-"
"""Prefix of the names of the one-modality baselines."""

BASELINES = ("pca", "pca-raw", "random-projection", "random-projection-raw")
"""Configs of the baselines that use every modality."""


def config_names() -> list[str]:
    """List the names of the configs that come with RIYL."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))


def load_config(name: str) -> tuple[str, Config]:
    """Load a config by its name, or from a TOML file by its path; "single-M" is modality M alone, for any M.

    Returns:
        The name (of a file: its stem) and the validated config.

    Raises:
        ConfigError: there is no such config, or its file is invalid.
    """
    if name.startswith(SINGLE):
        return name, SingleConfig(method="single", modality=name.removeprefix(SINGLE))
    with resources.as_file(_folder()) as folder:
        is_file = name.endswith(".toml")
        path = Path(name) if is_file else folder / f"{name}.toml"
        if not (path.exists() if is_file else name in config_names()):
            raise ConfigError(
                f"found no config {name!r}; wanted {', '.join(config_names())} {SINGLE}MODALITY, or a .toml file"
            )
        return path.stem, read_toml(path, _AnyConfig, renamed=RENAMED).root


def only_modality(snapshot: str, modality: str, method: str) -> ConfigError:
    """Return the error of a method that needs two modalities, with a command that works on the snapshot's one."""
    return ConfigError(
        f"snapshot {snapshot} has only {modality}; {method} needs at least two modalities; for one modality, run: "
        f"riyl train --config {SINGLE}{modality} --snapshot {snapshot} (as a job: -p config={SINGLE}{modality})"
    )


def _folder() -> resources.abc.Traversable:
    return resources.files("riyl.training.configs")
