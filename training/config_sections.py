"""Sections of training configs, which several methods or modalities have."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from riyl.core.storage.scoring_settings import MAX_DEPTHS, OF_BALANCED, Depth, DepthWeight
from riyl.training.config_fields import DEPTH

EVERY_SETTING = "every setting"
"""Context of a dump that has all settings, also those without effect."""


class Section(BaseModel):
    """Base of all settings: unknown names are refused, and the docstring of a field is its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class MlpSpec(Section):
    """Encoder of one vector by hidden layers (`riyl.training.contrastive.encoders.MlpEncoder`)."""

    kind: Literal["mlp"] = "mlp"
    """Kind of the encoder."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (512, 256)
    """Widths of the hidden layers, in the order of the layers. The default is the paper's for audio, and RIYL's choice
    for a modality that the paper does not have."""


class SetSpec(Section):
    """Encoder of a set of tokens by self-attention (`riyl.training.contrastive.encoders.SetEncoder`)."""

    kind: Literal["set"] = "set"
    """Kind of the encoder."""
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


BlockName: TypeAlias = Literal["main", "words", "ngrams", "listeners", "columns"]
"""Name of a block of a modality: a field of `BlockWeights`."""

MAIN: BlockName = "main"
WORDS: BlockName = "words"
NGRAMS: BlockName = "ngrams"
LISTENERS: BlockName = "listeners"
COLUMNS: BlockName = "columns"

Weight: TypeAlias = Annotated[float, Field(ge=0, le=100)]


class BlockWeights(Section):
    """Weights of the blocks that describe a modality, 0 for none; blocks that it cannot have are ignored."""

    main: Weight = 1.0
    """Weight of the modality's vectors, or of the TF-IDF vectors of its terms. 1, the unit of the other weights."""
    words: Weight = 0.0
    """Weight of TF-IDF vectors of the words of tags, as wide as those of the tags."""
    ngrams: Weight = 0.0
    """Weight of TF-IDF vectors of the sequences of 3 to 5 characters in the words of tags, as wide as those of the
    tags."""
    listeners: Weight = 0.0
    """Weight of the factors of listeners beside those of ALS (`cf.listener_factors` of the recipe)."""
    columns: Weight = 0.0
    """Weight of the values of descriptors in standard units, in place of the direction of the whole vector: one block
    for each group of columns that the same artists lack. The groups are found from the data."""


EncoderSpec: TypeAlias = Annotated[MlpSpec | SetSpec, Field(discriminator="kind")]


class ScoringConfig(Section):
    """Corrections of scores in the versions of the model (`riyl.core.storage.scoring_settings.ScoringSettings`).

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
    balanced: Annotated[
        dict[Depth, DepthWeight], Field(max_length=MAX_DEPTHS, json_schema_extra={"key_of_any": DEPTH})
    ] = {}
    """Weights, 0 to 4, of balanced biases by depth, 1 to 1000: a bias balanced at a depth makes each artist appear in
    about as many lists of this length as its target says, and its product with the weight is subtracted from the
    artist's score. Empty (none) by default. Evenness at one depth is paid for at others, so that two depths, such as 25
    and 200, are more even together than either; at most 8."""
    target_exponent: float = Field(default=0.0, ge=0, le=1)
    """Exponent, 0 to 1, of 1 + distinct listeners in the targets of balanced biases. The default, 0, gives all artists
    equal targets; with more, well-known artists appear in more lists than others."""
    sweeps: int = Field(default=3, ge=1, le=20)
    """Number of updates in the fit of balanced biases, 1 to 20. The start is close enough that after the default number
    further updates change the evenness of lists little, while each takes as long as the whole of the hubness
    correction or longer."""

    @model_serializer(mode="wrap")
    def _serialized(self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Leave out the settings of balanced biases where there are none: models from before these keep their ids."""
        settings: dict[str, Any] = serialize(self)
        if self.balanced or info.context == EVERY_SETTING:
            return settings
        return {name: value for name, value in settings.items() if name not in OF_BALANCED}


class FineTuneConfig(Section):
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
