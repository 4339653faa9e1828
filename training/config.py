"""Training configs: which method, with which settings. Read from TOML, checked once."""

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
    """A vector through hidden layers (`riyl.training.contrastive.encoders.MlpEncoder`)."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (512, 256)
    """Widths of the hidden layers; the paper's for audio, and ours for a modality that the paper has not."""


class SetSpec(_Section):
    """A set of tokens through self-attention (`riyl.training.contrastive.encoders.SetEncoder`)."""

    kind: Literal["set"] = "set"
    attention: int = Field(default=256, ge=1)
    """Width of the attention layer (the paper's 256), divided among the heads."""
    heads: int = Field(default=4, ge=1)
    """Attention heads (the paper's 4)."""
    max_terms: int = Field(default=20, ge=1)
    """Tags of an artist that take part, the heaviest first: more cost time and hardly any artist has them."""
    tokens: Literal["terms", "vector"] = "terms"
    """The factors of the artist's tags; or its one vector as a set of one, which needs no tag sets."""

    @model_validator(mode="after")
    def _heads_divide(self) -> SetSpec:
        if self.attention % self.heads:
            raise ValueError(f"attention {self.attention} is not a multiple of heads {self.heads}")
        return self


EncoderSpec: TypeAlias = Annotated[MlpSpec | SetSpec, Field(discriminator="kind")]


class ContrastiveConfig(_Section):
    """The paper's method: an encoder a modality, trained by InfoNCE over pairs of modalities."""

    method: Literal["contrastive"]
    modalities: tuple[str, ...] = ("audio", "tags", "cf")
    """Order of the modalities: of a pair, the first is the anchor. Those that a snapshot lacks are passed over; those
    that it has beside them follow by name."""
    encoders: dict[str, EncoderSpec] = {}
    """Encoder a modality; the default of `MlpSpec` for one that is not named."""
    dim: int = Field(default=200, ge=1, le=256)
    """Width of the shared space (the paper's 200)."""
    temperature: float = Field(default=0.1, gt=0)
    """Divides the cosines in the loss (the paper's 0.1)."""
    symmetric: bool = False
    """Whether each pair is also taken with its sides swapped; the paper's is not."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Of Adam (the paper's 1e-4)."""
    batch_size: int = Field(default=128, ge=2)
    """Artists a step (the paper's 128 on MSD, 2048 on OWN); all of them where there are fewer."""
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the full artists that is kept out of training, to tell when to stop."""
    stop_by: Literal["rank", "loss"] = "rank"
    """What is watched on held-back artists: the mean reciprocal rank of an artist's own vector among all of the other
    modality, which is what an embedding is for; or the loss, which turns earlier."""
    max_epochs: int = Field(default=200, ge=1)
    """Epochs at most."""
    patience: int = Field(default=5, ge=1)
    """Epochs without a better watched value before training stops; the best epoch's weights are kept."""


class PcaConfig(_Section):
    """Baseline: principal components of the concatenated modalities."""

    method: Literal["pca"]
    dim: int = Field(default=200, ge=1, le=256)
    """Components; less where the concatenation is narrower or the full artists are fewer."""
    unit_rows: bool = True
    """Scale each modality's vectors to unit length first, as the encoders do; or leave them as they are."""


class ProjectionConfig(_Section):
    """Baseline: a Gaussian random projection of the concatenated modalities."""

    method: Literal["random-projection"]
    dim: int = Field(default=200, ge=1, le=256)
    """Width of the projection."""
    unit_rows: bool = True
    """As in `PcaConfig`."""


class SingleConfig(_Section):
    """Baseline: one modality's own vectors."""

    method: Literal["single"]
    modality: str
    """The modality."""


class ScoringConfig(_Section):
    """How the versions of the model correct scores (`riyl.core.storage.model.ScoringSettings`); 0 corrects nothing."""

    hubness: float = Field(default=0.0, ge=0, le=1)
    """Strength of the hubness correction: what an artist's mean score in its best lists is taken off times."""
    popularity: float = Field(default=0.0, ge=0, le=1)
    """What the most listened to are forgiven of their hubness, and the least are charged beside it: who is listened to
    by many is near many for a reason."""
    neighbours: int = Field(default=200, ge=1, le=1000)
    """Lists that the mean is over; about the length of the lists that are served, as shorter ones over-correct."""
    calibration: float = Field(default=0.0, ge=0, le=1)
    """Strength of the calibration between availability patterns; 1 makes all equally likely to be found."""
    tail: float = Field(default=0.005, gt=0, le=0.5)
    """Share of the candidates whose scores are compared between patterns: the best ones."""


class FineTuneConfig(_Section):
    """How known links refine the closed form (`riyl.training.cca.fine_tune`); without links nothing here counts."""

    hidden: int = Field(default=256, ge=1)
    """Width of the hidden layer beside each modality's linear map."""
    spread: float = Field(default=8.0, gt=0)
    """Deviation of the hidden layer's products with a vector of unit length at the start; rows of a modality's z are
    shorter than that, and a hidden layer that hardly moves learns slowly."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Chance by which a modality of an artist that asks is left out of a step: so that each is good alone."""
    temperature: float = Field(default=0.1, gt=0)
    """Divides the cosines in the loss."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam."""
    batch_size: int = Field(default=512, ge=1)
    """Artists that ask, a step."""
    candidates: int = Field(default=16384, ge=2)
    """Artists that are asked among, a step; all where there are no more."""
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the linked artists whose links are kept back, to tell when to stop."""
    max_epochs: int = Field(default=30, ge=1)
    """Epochs at most."""
    patience: int = Field(default=3, ge=1)
    """Epochs without a better nDCG of the kept-back artists before it stops; the best epoch's maps are kept."""


class CcaConfig(_Section):
    """Generalised canonical correlation analysis in closed form (`riyl.training.cca.fit`), of all modalities of a
    snapshot; what is said of one that it lacks is passed over."""

    method: Literal["cca"]
    dim: int = Field(default=256, ge=1, le=256)
    """Width of the embedding; less where there is less to keep."""
    shared: int = Field(default=150, ge=1)
    """Canonical directions at most."""
    ridge: float = Field(default=0.3, gt=0)
    """Added to each modality's covariance, in units of its mean variance: what directions of little variance, where
    correlations are chance, are held down by."""
    correlation_exponent: float = Field(default=0.5, ge=0)
    """Each direction is scaled by its mean canonical correlation to this power."""
    tfidf_dims: int = Field(default=300, ge=0)
    """Where a modality is made of weighted sets, width of the TF-IDF factors that are read in place of the snapshot's
    vectors; 0 reads those."""
    max_terms: int = Field(default=100, ge=1)
    """Terms of a set that count, the heaviest first."""
    norm_shrinkage: dict[str, Annotated[float, Field(ge=0)]] = {}
    """By modality, how much short vectors are shortened further: the length, in units of the root mean square one, by
    which a part has lost half of its square. Vectors of tags are short where an artist has few."""
    n_fourier_features: dict[str, Annotated[int, Field(ge=0, le=4096)]] = {}
    """By modality, random Fourier features beside its own numbers, so that its map may be curved: for descriptors that
    are no learned embedding (`riyl.training.cca.linear.RandomFourierFeatures`)."""
    min_artists_per_feature: int = Field(default=25, ge=1)
    """Artists that there must be for each wave; with fewer artists more of what is fitted is chance."""
    bandwidth: float = Field(default=0.5, gt=0)
    """Width of the Fourier features' kernel, in units of the median distance between two artists' unit rows."""
    modality_specific_weight: dict[str, Annotated[float, Field(ge=0)]] = {}
    """By modality, weight of its own vectors beside the shared directions, for what it alone knows; 1 is that of the
    shared part."""
    scoring: ScoringConfig = ScoringConfig()
    """How versions correct scores."""
    supervision: FineTuneConfig = FineTuneConfig()
    """How links refine it, where a training is given any."""


Config: TypeAlias = ContrastiveConfig | CcaConfig | PcaConfig | ProjectionConfig | SingleConfig


class _AnyConfig(RootModel[Annotated[Config, Field(discriminator="method")]]):
    """A config file holds one method's settings."""


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
"""Fields of configs of earlier releases, each with its name now."""

DEFAULT = "default"
"""The config that is meant where none is named."""

SINGLE = "single-"
"""What the name of a one-modality baseline begins with."""

BASELINES = ("pca", "pca-raw", "random-projection", "random-projection-raw")
"""Configs of the baselines that take every modality."""


def config_names() -> list[str]:
    """Names of the configs that come with RIYL."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))


def load_config(name: str) -> tuple[str, Config]:
    """A config by its name, or from a TOML file by its path; "single-M" is modality M alone, for any M.

    Returns:
        Its name (of a file: the stem) and the checked config.

    Raises:
        ConfigError: no such config, or its file is not what it should be.
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
    """The error of a method that relates modalities, on a snapshot that has one; names the command that works."""
    return ConfigError(
        f"snapshot {snapshot} has {modality} alone; {method} wants two modalities or more; on one, run: "
        f"riyl train --config {SINGLE}{modality} --snapshot {snapshot} (as a job: -p config={SINGLE}{modality})"
    )


def _folder() -> resources.abc.Traversable:
    return resources.files("riyl.training.configs")
