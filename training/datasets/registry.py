"""Registry of the datasets by name, and the making of tables from a name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from riyl.core.catalog.notes import Notes
from riyl.core.errors import NotFoundError
from riyl.core.types import Progress, silent
from riyl.training.datasets import lastfm2k, olga, tables
from riyl.training.datasets.base import Dataset, Report, build
from riyl.training.datasets.fetch import fetch_all


def _make_synthetic(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
    from riyl.training.datasets import synthetic

    synthetic.generate(out, progress=progress)


SYNTHETIC = Dataset(
    name="synthetic",
    summary="5,000 made-up artists with tags, plays, audio and links, for trials",
    licence="free for any use",
    citation="",
    files=(),
    make=_make_synthetic,
)

DATASETS: Mapping[str, Dataset] = {d.name: d for d in (SYNTHETIC, lastfm2k.DATASET, olga.DATASET)}
"""Datasets with a name of their own; any folder of tables is a dataset too."""


def get(name: str, *, ignore_unread: bool = False) -> Dataset:
    """Return the dataset called `name`, or the tables in the folder `name` (see `Tables.open` for `ignore_unread`).

    Raises:
        NotFoundError: there is neither; the message lists the names.
    """
    if name in DATASETS:
        return DATASETS[name]
    if Path(name).is_dir():
        return tables.dataset(Path(name), ignore_unread=ignore_unread)
    raise NotFoundError(
        f"there is no dataset {name!r}; there are: {', '.join(DATASETS)}; a folder of tables is one too"
    )


def downloads_of(dataset: Dataset, downloads: Path) -> Path:
    """Return the folder of a dataset's files, fetched or put there by hand."""
    return downloads / dataset.name


def make_tables(
    name: str, downloads: Path, out: Path, progress: Progress = silent, *, ignore_unread: bool = False
) -> Report:
    """Fetch the missing files of the dataset `name`, and make its tables in the new folder `out`.

    Raises:
        NotFoundError: there is no such dataset.
        FetchError: a required file could not be fetched; the message says where to put it.
        InputError: a file is invalid, or `out` is not empty.
    """
    dataset = get(name, ignore_unread=ignore_unread)
    fetched = fetch_all(dataset, downloads_of(dataset, downloads), progress)
    return build(dataset, fetched.files, out, progress)
