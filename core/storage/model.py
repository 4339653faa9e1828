"""Model on disk: an immutable folder that turns features into parts, one ONNX file per modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NotRequired

import pyarrow as pa
import pyarrow.parquet
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from riyl.core.errors import FormatError, MismatchError
from riyl.core.files import Manifest, published, seal, write_bytes
from riyl.core.storage.memory_map import read_parquet
from riyl.core.storage.part import NGRAMS, PART, NamePart, read_ngrams
from riyl.core.storage.part import Part as Part
from riyl.core.storage.relations import SupervisionEntry
from riyl.core.storage.scoring_settings import SCORING, ScoringSettings
from riyl.core.storage.sealed import FolderId, SealedFolder, read_sealed
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.storage.snapshot import Snapshot, find_snapshot, snapshot_states
from riyl.core.types import ArtistId

CARD = "card.json"
KIND = "riyl-model"
FORMAT = 2
REMEDY = "train it anew with: riyl train"

MAX_DIM = 1 << 16
"""Maximum number of dimensions of a vector or token."""

SUPERVISED_ARTISTS = "supervised_artists.parquet"


class ModelCard(TypedDict):
    """Fields of a model's card that are read."""

    id: FolderId
    name: str
    seed: int
    snapshot: FolderId
    featurizer: str
    dim: Annotated[int, Field(ge=1, le=MAX_DIM, strict=True)]
    scores: dict[str, float]
    parts: dict[str, Part]
    name_part: NotRequired[Part]
    notes: NotRequired[list[str]]
    scoring: NotRequired[ScoringSettings]
    config: NotRequired[dict[str, Any]]
    supervision: NotRequired[SupervisionEntry]
    commit: NotRequired[str | None]


SCHEMA = TypeAdapter(ModelCard)


@dataclass(frozen=True)
class Model(SealedFolder):
    """An opened model folder."""

    @staticmethod
    def open(folder: Path, *, verify: bool = True) -> Model:
        """Open a model folder; sizes are always checked, the files' sha256 when `verify` is set.

        Raises:
            FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
            OutdatedError: it is of an earlier release; the message has the command to run.
        """
        card = read_sealed(folder, CARD, KIND, FORMAT, oldest=FORMAT, remedy=REMEDY, schema=SCHEMA)
        model = Model(folder, card)
        if verify:
            model.files.verify()
        return model

    @property
    def card(self) -> Manifest:
        """Description of the model: the content of its manifest."""
        return self.manifest

    @property
    def name(self) -> str:
        return str(self.card["name"])

    @property
    def method(self) -> str | None:
        """Method of the model's config; None where the card does not have it."""
        method = self.card.get("config", {}).get("method")
        return method if isinstance(method, str) else None

    @property
    def trained_at(self) -> datetime:
        """Time at which the model was made, in UTC: that of its oldest file.

        A file keeps its time, while the card is touched when the model is trained again."""
        times = [(self.folder / name).stat().st_mtime for name in self.files]
        return datetime.fromtimestamp(min(times, default=0.0), UTC)

    @property
    def summary(self) -> dict[str, Any]:
        """Describe the model on one line: id, name, method, dim, seed, snapshot, featurizer, commit, trained_at."""
        return {
            "id": self.id,
            "name": self.name,
            "method": self.method,
            "dim": self.dim,
            "seed": self.card["seed"],
            "snapshot": self.card["snapshot"],
            "featurizer": self.card["featurizer"],
            "commit": self.card.get("commit"),
            "trained_at": self.trained_at,
        }

    @property
    def dim(self) -> int:
        return int(self.card["dim"])

    @property
    def parts(self) -> dict[str, Part]:
        """Input of each of the model's modalities, names ascending."""
        return {name: PART.validate_python(entry) for name, entry in sorted(self.card["parts"].items())}

    @property
    def name_part(self) -> Part | None:
        """Input of the part of the artist's name, which is no modality; None where the model does not take the name."""
        entry = self.card.get("name_part")
        return None if entry is None else PART.validate_python(entry)

    @property
    def name_ngrams(self) -> list[str]:
        """N-grams that the part of the artist's name takes, in the order of its terms; none where it takes no name."""
        takes = self.name_part
        return [] if takes is None else read_ngrams(self.files[NGRAMS], takes)

    @property
    def scoring(self) -> ScoringSettings:
        """Score corrections of the model's config; none where an older card lacks them."""
        return SCORING.validate_python(self.card.get("scoring", {}))

    @property
    def supervised_artists(self) -> list[ArtistId]:
        """Artists of the pairs that the model was fine-tuned on, ids ascending; none without supervision."""
        if SUPERVISED_ARTISTS not in self.files:
            return []
        table = read_parquet(self.files[SUPERVISED_ARTISTS], {"artist_id": pa.string()})
        return list(table.column("artist_id").to_pylist())

    @property
    def relations(self) -> dict[str, float]:
        """Weight of each relation that the model was fine-tuned on, by the id of its pairs; empty without supervision.

        An older card has one relation, without its weight, which is 1.
        """
        supervision = self.card.get("supervision", {})
        if "id" in supervision:
            return {str(supervision["id"]): 1.0}
        return {str(relation["id"]): float(relation["weight"]) for relation in supervision.get("relations", [])}

    def onnx(self, modality: str) -> SealedFile:
        """Return the ONNX file of a modality.

        Raises:
            FormatError: the model has none.
        """
        return self.files[f"{modality}.onnx"]

    def check_fits(self, snapshot: Snapshot) -> None:
        """Check that the snapshot has the featurizer that the model was fitted on.

        Raises:
            MismatchError: the snapshot has another featurizer; the message names both.
        """
        if self.card["featurizer"] != snapshot.featurizer_id:
            own_id, other = self.card["snapshot"], snapshot.id
            raise MismatchError(
                f"model {self.name} {self.id} was fitted on featurizer {self.card['featurizer']} (snapshot {own_id}); "
                f"snapshot {other} has featurizer {snapshot.featurizer_id}. To use its artists with this model, encode "
                f"them with its featurizer: riyl snapshot build TABLES --featurizer-from {own_id}, where TABLES is the "
                f"folder of tables of snapshot {other}; or train a model on it: riyl train --snapshot {other}"
            )


def model_states(folder: Path, *, verify: bool = False) -> Iterator[tuple[str, Model | FormatError]]:
    """Open the models of a folder, those made or asked for last first.

    Args:
        folder: folder of models.
        verify: whether the files are compared with their sha256.

    Yields:
        Name of the model's folder, and the model, or the error of a damaged model or one of an earlier release.
    """
    entries = [path for path in folder.glob("[!.]*") if path.is_dir()]
    for path in sorted(entries, key=lambda path: (_age_ns(path), path.name), reverse=True):
        try:
            yield path.name, Model.open(path, verify=verify)
        except FormatError as error:
            yield path.name, error


def _age_ns(folder: Path) -> int:
    """Return the modification time of a model's card; of its folder where it has no card."""
    card = folder / CARD
    return (card if card.exists() else folder).stat().st_mtime_ns


def snapshot_for(model: Model, snapshots: Path, name: str | None) -> Snapshot:
    """Return the snapshot whose id is `name` or begins with it; with None the newest that has the model's featurizer.

    If no snapshot has that featurizer, return the newest of all; `Model.check_fits` then raises an error that says
    how to continue.

    Raises:
        NotFoundError: there is no such snapshot.
    """
    newest = find_snapshot(snapshots, name)
    if name is not None or newest.featurizer_id == model.card["featurizer"]:
        return newest
    stored = (state for _, state in snapshot_states(snapshots) if isinstance(state, Snapshot))
    return next((snapshot for snapshot in stored if snapshot.featurizer_id == model.card["featurizer"]), newest)


def save_model(
    models: Path,
    parts: Mapping[str, tuple[Part, bytes]],
    weights: bytes | None,
    card: Mapping[str, Any],
    *,
    supervised: Sequence[ArtistId] = (),
    name: NamePart | None = None,
) -> Model:
    """Write a model into the folder of models.

    Args:
        models: the folder of models.
        parts: by modality its input, and its ONNX file.
        weights: safetensors to resume training from, where the method has any.
        card: id, name, config, seed, snapshot, featurizer, dim, scores, scoring, supervision, version and commit.
        supervised: the artists of the pairs that the model was fine-tuned on.
        name: part of the artist's name, if the model takes it.
    """
    final = models / str(card["id"])
    with published(final) as aside:
        for modality, (_, onnx) in parts.items():
            write_bytes(aside / f"{modality}.onnx", onnx)
        if weights is not None:
            write_bytes(aside / "weights.safetensors", weights)
        if supervised:
            table = pa.table({"artist_id": pa.array(sorted(supervised), pa.string())})
            pyarrow.parquet.write_table(table, aside / SUPERVISED_ARTISTS, compression="zstd")
        entries = {name: asdict(part) for name, (part, _) in parts.items()}
        fields = {"kind": KIND, "format": FORMAT, **card, "parts": entries}
        if name is not None:
            name.write(aside)
            fields["name_part"] = asdict(name.takes)
        seal(aside, CARD, fields)
    return Model.open(final)
