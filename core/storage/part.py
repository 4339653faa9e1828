"""Parts of a model: the input of each, and the part of the artist's name, which is no modality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.parquet
from pydantic import Field, TypeAdapter

from riyl.core.files import write_bytes
from riyl.core.storage.memory_map import read_parquet
from riyl.core.storage.sealed_files import SealedFile

NAME = "name"
"""Name of the part that an artist's name gives. It is no modality: it is in no pattern, subset or group."""

NGRAMS = "name_ngrams.parquet"
"""File of a model with the n-grams of names that count."""


@dataclass(frozen=True)
class Part:
    """Input of one modality of a model.

    Attributes:
        input: "vector": `vectors` (n, width) float32, as the snapshot holds them, each followed by its blocks; "terms":
            `tokens` (n, s, width) float32, the featurizer's factors of an artist's heaviest terms, and `mask` (n, s)
            bool; "weighted": `terms` (n, s) int64, an artist's heaviest terms, and `weights_of_terms` (n, s) float32, 0
            in unused places.
        width: numbers in a vector with its blocks, or in a token; for weighted terms, the size of the featurizer's
            vocabulary.
        max_terms: maximum number of terms taken of an artist; 0 for vectors.
        blocks: for vectors, names of the modality's blocks that follow the vector, in this order.
    The ONNX file outputs `part` (n, dim) float32.
    """

    input: Literal["vector", "terms", "weighted"]
    width: Annotated[int, Field(ge=1, le=1 << 31)]
    max_terms: Annotated[int, Field(ge=0, le=1 << 31)] = 0
    blocks: tuple[str, ...] = ()


PART = TypeAdapter(Part)


@dataclass(frozen=True)
class NamePart:
    """Part of the artist's name, to be saved with a model.

    Attributes:
        takes: its input: weighted terms, which are indices into `ngrams`.
        onnx: its ONNX file.
        ngrams: the n-grams of names that count, each once.
    """

    takes: Part
    onnx: bytes
    ngrams: Sequence[str]

    def write(self, folder: Path) -> None:
        """Write the ONNX file and the n-grams into the folder of a model."""
        write_bytes(folder / f"{NAME}.onnx", self.onnx)
        table = pa.table({"ngram": pa.array(self.ngrams, pa.string())})
        pyarrow.parquet.write_table(table, folder / NGRAMS, compression="zstd")


def read_ngrams(file: SealedFile, takes: Part) -> list[str]:
    """Read the n-grams that a model's part of the name takes.

    Raises:
        FormatError: the file is damaged, or has another number of n-grams.
    """
    ngrams: list[str] = read_parquet(file, {"ngram": pa.string()}).column("ngram").to_pylist()
    if len(ngrams) != takes.width:
        raise file.damaged(f"{len(ngrams)} n-grams", f"{takes.width}, as the card has it")
    return ngrams
