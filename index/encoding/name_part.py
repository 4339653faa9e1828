"""Part of an artist's name, for models that take the name; it is added to the parts of an artist's modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from riyl.core.errors import MismatchError, RiylError
from riyl.core.storage.model import Model
from riyl.core.storage.part import NAME, Part
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Progress, Rows, Vector, silent
from riyl.index.encoding.onnx_inputs import onnx_inputs_of, open_session
from riyl.training.features.name import names_as_sets
from riyl.training.runtime import onnxruntime

_NAMES_AT_ONCE = 1024
_CHUNK = 1 << 15


MAX_LENGTH = 0.5
"""Maximum length of the part of a name, in lengths of the sum of the artist's other parts.

So a name turns an embedding by 30 degrees at most, and gives none by itself."""


class NameEncoder:
    """Encoder of names, by the n-grams and the ONNX file of a model, which are opened on first use.

    Args:
        model: the model.
        threads: threads of ONNX.
    """

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        self._model = model
        self._threads = threads
        self._opened: _Opened | None = None
        self._opening = Lock()

    def __call__(self, names: Sequence[str]) -> Matrix:
        """Compute the parts of names, (m, dim) float32; zeros for a name none of whose n-grams count.

        Raises:
            MismatchError: the model takes no name.
            FormatError: it is damaged.
            RiylError: the model output a value that is not finite.
        """
        opened = self._open()
        distinct = list(dict.fromkeys(names))
        parts = np.zeros((len(distinct), self._model.dim), np.float32)
        for start in range(0, len(distinct), _NAMES_AT_ONCE):
            sets = names_as_sets(distinct[start : start + _NAMES_AT_ONCE], opened.term_of)
            if not len(sets.rows):
                continue
            inputs = onnx_inputs_of(opened.takes, sets, lambda: np.empty((0, 0), np.float32))
            (parts[start + sets.rows],) = opened.session.run(["part"], inputs.batch(np.arange(len(sets.rows))))
        if not np.isfinite(parts).all():
            raise RiylError(f"model {self._model.name} {self._model.id} output parts of names that are not finite")
        if len(distinct) == len(names):
            return parts
        position = {name: at for at, name in enumerate(distinct)}
        return parts[[position[name] for name in names]]

    def add_to(self, total: Matrix, name: str | None) -> dict[str, Vector]:
        """Add the part of an artist's name, after `limit_names`, to the sum of its other parts, (1, dim), in place.

        Nothing is added if the model takes no name, if there is no name or no known n-gram, or if the sum is zero.

        Returns:
            The part added, (dim,), by `riyl.core.storage.part.NAME`; empty where none was.
        """
        if name is None or self._model.name_part is None:
            return {}
        (part,) = limit_names(self([name]), total)
        total += part
        return {NAME: part} if part.any() else {}

    def _open(self) -> _Opened:
        takes = self._model.name_part
        if takes is None:
            raise MismatchError(f"model {self._model.name} {self._model.id} takes no name")
        with self._opening:
            if self._opened is None:
                term_of = {ngram: term for term, ngram in enumerate(self._model.name_ngrams)}
                self._opened = _Opened(takes, term_of, open_session(self._model, NAME, threads=self._threads))
            return self._opened


@dataclass(frozen=True)
class _Opened:
    takes: Part
    term_of: Mapping[str, int]
    session: onnxruntime.InferenceSession


def limit_names(parts: Matrix, sums: Matrix) -> Matrix:
    """Shorten the parts of names that are longer than `MAX_LENGTH` times the sum of the artist's other parts.

    Args:
        parts: (n, dim) parts of names.
        sums: (n, dim) sums of the same artists' other parts.

    Returns:
        (n, dim) float32; zeros where the sum or the part is zero.
    """
    lengths, limits = (np.sqrt(np.einsum("ij,ij->i", rows, rows)) for rows in (parts, sums))
    factors = np.minimum(1, MAX_LENGTH * limits / np.maximum(lengths, np.finfo(np.float32).tiny))
    return np.asarray(parts * factors[:, None], np.float32)


def name_parts(
    model: Model, snapshot: Snapshot, rows: Rows, *, threads: int = 1, progress: Progress = silent
) -> Matrix | None:
    """Compute the parts of the names of artists, (m, dim) float32; None if the model takes no name.

    Names are read a chunk at a time. The caller limits the parts by `limit_names`.

    Args:
        model: the model.
        snapshot: the snapshot.
        rows: (m,) rows of the artists.
        threads: threads of ONNX.
        progress: told how many names are done.

    Raises:
        RiylError: see `NameEncoder`.
    """
    if model.name_part is None:
        return None
    encode, column = NameEncoder(model, threads=threads), snapshot.artists.column("name")
    parts = np.zeros((len(rows), model.dim), np.float32)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        parts[start : start + _CHUNK] = encode(column.take(chunk).to_pylist())
        progress("embed name", start + len(chunk), len(rows))
    return parts
