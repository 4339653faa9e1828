"""Cold start: encoding of artists outside the catalog from raw input, by the model's featurizer and ONNX files.

The result equals that of a version for an artist of the catalog with the same input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.catalog.tables import MODALITY_OF
from riyl.core.catalog.terms import term_keys
from riyl.core.errors import InputError, MismatchError, NotFoundError, NothingKnownError
from riyl.core.storage.modality import Modality
from riyl.core.storage.model import CARD, Model, Part
from riyl.core.storage.snapshot import MANIFEST, Snapshot
from riyl.core.types import Matrix, Vector, silent
from riyl.index.artifact.version import Version
from riyl.index.encoding.embed import unit_means
from riyl.index.encoding.name_part import NameEncoder
from riyl.index.encoding.onnx_inputs import onnx_inputs_of, open_session
from riyl.index.encoding.validation import check_weights, numbers, texts_of
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.featurize import featurize
from riyl.training.features.featurizer import ModalityFeaturizer, load_modality_featurizer
from riyl.training.features.read import Counts, Incidence
from riyl.training.features.tags import TagFeaturizer
from riyl.training.runtime import onnxruntime

TAGS = "tags"
CF = MODALITY_OF["plays"]


@dataclass(frozen=True)
class Encoded:
    """Result of encoding weighted tags or listeners.

    Attributes:
        part: (d,) float32; None where the featurizer knows none of them, or the known ones give no features.
        recognized: the known tags, in the featurizer's form, or listeners, with the weights of equal ones added up.
        unknown: the tags or listeners that the featurizer does not know, as given.
    """

    part: Vector | None
    recognized: Mapping[str, float]
    unknown: tuple[str, ...]


class ColdEncoder:
    """A model and its featurizer, for any number of threads; files are opened on first use.

    Attributes:
        dim: width of a part.
        inputs: the model's inputs by modality, names ascending; see `from_vector` and `from_tags`.
        snapshot: the snapshot whose featurizer it is.
    """

    def __init__(self, model: Model, snapshot: Snapshot, threads: int) -> None:
        self.model = model
        self.dim = model.dim
        self.inputs = model.parts
        self.snapshot = snapshot
        self._threads = threads
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._projectors: dict[str, ModalityFeaturizer] = {}
        self._names = NameEncoder(model, threads=threads)
        self._opening = Lock()

    @staticmethod
    def open(model: Model, snapshot: Snapshot, *, threads: int = 1) -> ColdEncoder:
        """Open a model with a snapshot that has its featurizer; files are read on first use.

        Args:
            model: the model.
            snapshot: a snapshot with the featurizer that the model was fitted on.
            threads: threads of one ONNX run.

        Raises:
            MismatchError: the model was fitted on another featurizer.
        """
        model.check_fits(snapshot)
        return ColdEncoder(model, snapshot, threads)

    def modality_featurizer(self, modality: str) -> ModalityFeaturizer:
        """Return the featurizer of a modality, whether or not the model takes it.

        Raises:
            MismatchError: the featurizer has no such modality.
            FormatError: it is damaged.
        """
        with self._opening:
            if modality not in self._projectors:
                self._projectors[modality] = load_modality_featurizer(self.snapshot, modality)
            return self._projectors[modality]

    def parts_of(self, features: Modality) -> Matrix:
        """Compute the parts of artists in a modality that the model takes, (m, d) float32, one artist per run.

        So the bits of a part do not depend on the other artists. A part of too large numbers is not finite.
        """
        return self._parts(self._takes(features.name), features)

    def from_tags(self, weights: Mapping[str, float]) -> Encoded:
        """Encode an artist with these tags.

        Args:
            weights: weight of each tag, on the scale of the catalog's table of tags; tags are normalised as in that
                table (case, outer blanks, Unicode form), and the weights of equal tags add up.

        Raises:
            InputError: there is no tag, a tag is blank, or a weight is not a finite number above 0.
            MismatchError: the model takes no tags, or the featurizer has them as vectors.
        """
        words = texts_of(weights, TAGS)
        modality_featurizer = self._projector(TAGS)
        if not isinstance(modality_featurizer, TagFeaturizer):
            raise MismatchError(f"the featurizer of snapshot {self.snapshot.id} has {TAGS} as vectors; found words")
        cleaned = term_keys(TAGS, words)
        return self._from_terms(TAGS, "tags", words, cleaned, list(weights.values()), modality_featurizer)

    def from_plays(self, counts: Mapping[str, float]) -> Encoded:
        """Encode an artist with these listeners, by folding them into the factorisation.

        Args:
            counts: number of plays by user_id of the catalog's table of plays.

        Raises:
            InputError: there is no listener, a user_id is blank, or a count is not a finite number above 0.
            MismatchError: the model takes no plays, or the featurizer has none.
        """
        users = texts_of(counts, "plays")
        modality_featurizer = self._projector(CF)
        if not isinstance(modality_featurizer, CfFeaturizer):
            raise MismatchError(f"the featurizer of snapshot {self.snapshot.id} has {CF} as vectors; found plays")
        return self._from_terms(CF, "plays", users, users, list(counts.values()), modality_featurizer)

    def from_vector(self, modality: str, vector: Sequence[float] | NDArray[np.floating]) -> Vector:
        """Return the part of an artist with this vector in the featurizer's space, as in a snapshot, (d,) float32.

        Args:
            modality: name of the modality.
            vector: its numbers; where the model takes blocks, those of the vector and then those of each block.

        Raises:
            InputError: it has another width, is not finite, overflows float32, or is all zeros, without direction.
            MismatchError: the model does not take the modality, or not as vectors.
        """
        takes = self._takes(modality)
        if takes.input != "vector":
            raise MismatchError(f"model {self.model.name} takes {modality} as weighted terms; found a vector")
        values = numbers(" with ".join([modality, *takes.blocks]), vector, takes.width)
        with np.errstate(over="ignore"):
            length = np.sqrt(np.sum(values * values))
        if not np.isfinite(length):
            raise InputError(f"{modality}: found a vector whose length overflows float32; wanted a shorter one")
        if not values.any():
            raise InputError(f"{modality}: found a vector of zeros, which has no direction; wanted another one")
        whole = replace(takes, blocks=())  # the blocks are in the vector already
        return self._run(whole, Modality(modality, _ONE, values[None], _ONE, None))

    def from_raw(self, modality: str, vector: Sequence[float] | NDArray[np.floating]) -> Vector:
        """Return the part of an artist with this raw vector, as in the catalog's table, (d,) float32.

        Raises:
            InputError: as `from_vector`, for the raw vector or the featurized one.
            MismatchError: the model does not take the modality, or the featurizer has no vectors for it.
        """
        self._takes(modality)
        modality_featurizer = self._projector(modality)
        if not isinstance(modality_featurizer, VectorFeaturizer):
            raise MismatchError(
                f"the featurizer of snapshot {self.snapshot.id} does not take {modality} as vectors; found one"
            )
        values = numbers(modality, vector, modality_featurizer.width)
        with np.errstate(over="ignore"):  # from_vector reports what is too large
            placed = modality_featurizer.transform(values[None])[0]
        return self.from_vector(modality, placed)

    def embedding(self, parts: Mapping[str, Vector], name: str | None = None) -> tuple[Vector, dict[str, Vector]]:
        """Return the mean of parts, scaled to unit length, and the parts divided so that they add up to it.

        Args:
            parts: by modality (d,), unscaled, as the methods above or `riyl.index.encoding.embed.parts_of` return them.
            name: the artist's name, whose part a model that takes it adds; None for an artist without name.

        Raises:
            InputError: there is no part, or a part has another width or is not finite.
            MismatchError: the model does not take a modality.
            NothingKnownError: the parts cancel each other out.
        """
        if not parts:
            raise InputError("parts: found none; wanted at least one modality")
        for modality in parts:
            self._takes(modality)
        ordered = {m: numbers(f"part of {m}", parts[m], self.dim) for m in self.inputs if m in parts}
        total = np.zeros((1, self.dim), np.float32)
        for part in ordered.values():
            total += part
        ordered |= self._names.add_to(total, name)
        unit, divisors = unit_means(total, np.array([len(ordered)]))
        if not divisors[0]:
            raise NothingKnownError(f"the parts of {', '.join(ordered)} cancel each other out: there is no embedding")
        return unit[0], {m: (part / divisors[0]).astype(np.float32) for m, part in ordered.items()}

    def _from_terms(
        self,
        modality: str,
        table: str,
        texts: list[str],
        terms: list[str],
        weights: list[float],
        modality_featurizer: TagFeaturizer | CfFeaturizer,
    ) -> Encoded:
        recognized: dict[str, float] = {}
        unknown = []
        for text, term, weight, place_of in zip(
            texts, terms, weights, modality_featurizer.columns_of(terms), strict=True
        ):
            if place_of < 0:
                unknown.append(text)
            else:
                recognized[term] = recognized.get(term, 0.0) + float(weight)
        part = None
        if recognized:
            check_weights(table, recognized)  # again, as weights of equal terms were added up
            row = Incidence(sp.csr_matrix([list(recognized.values())]), list(recognized), Counts(len(texts), 0))
            placed = featurize(modality, table, row, modality_featurizer, silent)
            part = self._run(self._takes(modality), placed) if len(placed.rows) else None
        return Encoded(part, recognized, tuple(unknown))

    def _parts(self, takes: Part, features: Modality) -> Matrix:
        onnx_inputs = onnx_inputs_of(takes, features, lambda: self._factors(features.name))
        session = self._session(features.name)
        parts = np.empty((len(features.rows), self.dim), np.float32)
        for place_of in range(len(parts)):
            (parts[place_of : place_of + 1],) = session.run(["part"], onnx_inputs.batch(np.array([place_of])))
        return parts

    def _run(self, takes: Part, artist: Modality) -> Vector:
        """Compute the part of the single artist in `artist`, (d,)."""
        (part,) = self._parts(takes, artist)
        if not np.isfinite(part).all():
            raise InputError(
                f"{artist.name}: found numbers so large that the model overflows; wanted numbers like the catalog's"
            )
        return np.asarray(part, np.float32)

    def _factors(self, modality: str) -> Matrix:
        modality_featurizer = self.modality_featurizer(modality)
        if not isinstance(modality_featurizer, TagFeaturizer):
            raise MismatchError(f"the featurizer of snapshot {self.snapshot.id} has no terms of {modality}")
        return modality_featurizer.factors

    def _takes(self, modality: str) -> Part:
        if modality not in self.inputs:
            raise MismatchError(f"model {self.model.name} takes {', '.join(self.inputs)}; found {modality}")
        return self.inputs[modality]

    def _session(self, modality: str) -> onnxruntime.InferenceSession:
        with self._opening:
            if modality not in self._sessions:
                self._sessions[modality] = open_session(self.model, modality, threads=self._threads)
            return self._sessions[modality]

    def _projector(self, modality: str) -> ModalityFeaturizer:
        self._takes(modality)
        return self.modality_featurizer(modality)


def cold_encoder(models: Path, snapshots: Path, version: Version, *, threads: int = 1) -> ColdEncoder:
    """Open the encoder of a version: its model and the featurizer of its snapshot, which the version only names.

    `models` and `snapshots` are the home's folders.

    Raises:
        NotFoundError: the model or the snapshot is not in this home.
        FormatError: the model or the snapshot is damaged.
    """
    model, snapshot = models / version.manifest["model"], snapshots / version.manifest["snapshot"]
    missing = [
        f"{what} {folder.name} in {folder.parent}"
        for what, folder, file in (("model", model, CARD), ("snapshot", snapshot, MANIFEST))
        if not (folder / file).is_file()
    ]
    if missing:
        raise NotFoundError(
            f"version {version.id} cannot encode artists outside the catalog: found no {' and no '.join(missing)}; "
            "copy what is missing from the home that the version was built in"
        )
    return ColdEncoder.open(Model.open(model), Snapshot.open(snapshot), threads=threads)


_ONE = np.zeros(1, np.int32)
