"""Training configs: the method of a model and its settings, read from TOML and validated once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationError

from riyl.core.errors import ConfigError
from riyl.core.storage.model import Model
from riyl.training.config_errors import method_error, settings_error
from riyl.training.config_files import METHOD, SET, Layer, leaves, merged, parse_overrides, read_layers, source_of
from riyl.training.config_files import SINGLE as SINGLE
from riyl.training.config_files import config_names as config_names
from riyl.training.config_sections import BlockWeights, EncoderSpec, Section
from riyl.training.config_sections import FineTuneConfig as FineTuneConfig
from riyl.training.config_sections import MlpSpec as MlpSpec
from riyl.training.config_sections import ScoringConfig as ScoringConfig
from riyl.training.config_sections import SetSpec as SetSpec


class ContrastiveConfig(Section):
    """The paper's method: one encoder a modality, trained by InfoNCE over pairs of modalities."""

    method: Literal["contrastive"]
    modalities: tuple[str, ...] = ("audio", "tags", "cf")
    """Order of the modalities; the first of a pair is the anchor. Modalities that a snapshot lacks are skipped; those
    that are not listed follow, sorted by name. The default is the order of the
    `paper-*` configs."""
    encoders: dict[str, EncoderSpec] = Field(default={})
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
    MAIN)."""
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


class PcaConfig(Section):
    """Baseline: principal components of the concatenated modalities."""

    method: Literal["pca"]
    dim: int = Field(default=200, ge=1, le=256)
    """Number of components; fewer where the concatenation is narrower, or where there are fewer full artists. The
    default is the paper's width, so that baselines compare with it."""
    unit_rows: bool = True
    """Whether each modality's vectors are first scaled to unit length. On by default, as the encoders do it."""


class ProjectionConfig(Section):
    """Baseline: a Gaussian random projection of the concatenated modalities."""

    method: Literal["random-projection"]
    dim: int = Field(default=200, ge=1, le=256)
    """Width of the projection. The default is the paper's width, so that baselines compare with it."""
    unit_rows: bool = True
    """Whether each modality's vectors are first scaled to unit length, as in `PcaConfig`."""


class SingleConfig(Section):
    """Baseline: the vectors of one modality."""

    method: Literal["single"]
    modality: str
    """Name of the modality."""


class CcaConfig(Section):
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
    blocks: dict[str, BlockWeights] = Field(default={}, exclude_if=lambda blocks: not blocks)
    """Blocks of numbers that describe a modality, by modality, each scaled and centred by itself
    (`riyl.training.cca.blocks`). Empty (none) by default, which stands for the main block alone, and which is no part
    of a config's dump, so that models from before this field keep their ids."""
    name: bool = Field(default=False, exclude_if=lambda name: not name)
    """Whether what an artist's name tells of its modalities is added to them (`riyl.training.cca.name_view`). Off by
    default, because a name is a proxy for language and origin, and because a rename then moves an artist
    (docs/model.md). Off, it is no part of a config's dump, so that models from before this field keep their ids."""
    norm_shrinkage: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Norm shrinkage by modality: how much more short vectors are shortened. The unit is the root mean square length of
    the modality's vectors; a vector of exactly the given length loses half of the square of its part. Empty (none)
    by default; useful for tags, whose vectors are short where an artist has few."""
    n_fourier_features: dict[str, Annotated[int, Field(ge=0, le=4096)]] = Field(default={})
    """Number of random Fourier features by modality, added beside the modality's own numbers so that its map may be
    curved (`riyl.training.cca.linear.RandomFourierFeatures`). Empty (none) by default; meant for descriptors, not for
    learned embeddings."""
    min_artists_per_feature: int = Field(default=25, ge=1)
    """Minimum number of artists for each Fourier feature. With fewer artists a feature, more of the fit is chance;
    docs/model.md shows the loss on a catalog of 5,000 artists."""
    bandwidth: float = Field(default=0.5, gt=0)
    """Width of the kernel of the Fourier features, in units of the median distance between two artists' unit rows."""
    modality_specific_weight: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Weight, by modality, of the modality's own vectors beside the shared directions, which keeps what only this
    modality knows. The unit is the root mean square length of the shared part. Empty (none) by default."""
    scoring: ScoringConfig = ScoringConfig()
    """Score corrections of the model's versions."""
    supervision: FineTuneConfig = FineTuneConfig()
    """Refinement on similarity pairs, used where a training is given pairs."""


Config: TypeAlias = ContrastiveConfig | CcaConfig | PcaConfig | ProjectionConfig | SingleConfig


METHODS: dict[str, type[Config]] = {
    "cca": CcaConfig,
    "contrastive": ContrastiveConfig,
    "pca": PcaConfig,
    "random-projection": ProjectionConfig,
    "single": SingleConfig,
}
"""Settings of each method, by its name."""

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

BASELINES = ("pca", "pca-raw", "random-projection", "random-projection-raw")
"""Configs of the baselines that use every modality."""

FILLED_PROJECTION = "random-projection-sklearn"
"""Name of the random projection of scikit-learn as it is: not centred, with the mean in place of what is missing. It is
fitted for an evaluation, and has no config."""


@dataclass(frozen=True)
class ResolvedConfig:
    """Config with the sources of its settings.

    Attributes:
        name: name of the config (of a file: its stem), followed by the settings that overrides changed, each as
            "+KEY=VALUE", keys ascending.
        config: all settings, validated.
        layers: settings by source: the overrides where there are any, the config itself, then its bases.
    """

    name: str
    config: Config
    layers: tuple[Layer, ...]


def load_config(name: str, overrides: Sequence[str] = ()) -> tuple[str, Config]:
    """Return the name and the settings of `resolve_config`, and raise its errors."""
    resolved = resolve_config(name, overrides)
    return resolved.name, resolved.config


def resolve_config(name: str, overrides: Sequence[str] = ()) -> ResolvedConfig:
    """Load a config by its name, or from a TOML file by its path; "single-M" is modality M alone, for any M.

    Args:
        name: name or path of the config.
        overrides: settings in its place, each as KEY=VALUE; see `riyl.training.config_files.parse_overrides`.

    Raises:
        ConfigError: there is no such config, or a file or an override is invalid; the message names the source, the
            key, the value found and the value wanted.
    """
    stem, layers = read_layers(name)
    config = _validated(layers)
    if not overrides:
        return ResolvedConfig(stem, config, tuple(layers))
    if isinstance(config, SingleConfig):
        raise ConfigError(
            f"--set: found {overrides[0]!r} with the config {stem}; wanted none, because its one setting is the "
            f"modality, which its name contains: {SINGLE}MODALITY"
        )
    layers = [parse_overrides(overrides), *layers]
    changed = _validated(layers)
    return ResolvedConfig(stem + _changes(config, changed, layers), changed, tuple(layers))


def config_of(model: Model) -> Config:
    """Return the config that a model was trained by.

    Raises:
        ConfigError: its card has no config of this release.
    """
    settings = model.card.get("config", {})
    kind = METHODS.get(str(settings.get(METHOD)))
    try:
        if kind is not None:
            return kind.model_validate(settings)
    except ValidationError:
        pass
    raise ConfigError(f"model {model.id}: found no config of this release in its card; wanted one to train it again")


def _validated(layers: Sequence[Layer]) -> Config:
    settings = merged(layers)
    method = settings.get(METHOD)
    kind = METHODS.get(method) if isinstance(method, str) else None
    if kind is None:
        raise method_error(method, METHODS, layers)
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise settings_error(error, kind, layers, RENAMED) from error


def _changes(config: Config, changed: Config, layers: Sequence[Layer]) -> str:
    """Write the overrides that change a value of the config, for the name of the result."""
    before, after = dict(leaves(config.model_dump(mode="json"))), dict(leaves(changed.model_dump(mode="json")))
    different = [key for key, value in sorted(after.items()) if key not in before or before[key] != value]
    given = [key for key in different if source_of(layers, key) == SET]
    return "".join(f"+{'.'.join(key)}={_in_name(after[key])}" for key in given)


def _in_name(value: object) -> str:
    """Write a value without commas, which separate names on the command line."""
    if isinstance(value, list):
        return "-".join(map(_in_name, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def only_modality(snapshot: str, modality: str, method: str) -> ConfigError:
    """Return the error of a method that needs two modalities, with a command that works on the snapshot's one."""
    return ConfigError(
        f"snapshot {snapshot} has only {modality}; {method} needs at least two modalities; for one modality, run: "
        f"riyl train --config {SINGLE}{modality} --snapshot {snapshot} (as a job: -p config={SINGLE}{modality})"
    )
