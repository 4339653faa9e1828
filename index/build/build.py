"""Build of a version from a snapshot and a model: embeddings, ready lists, Faiss file, names, quality checks.

The same inputs give the same bytes.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.errors import FormatError
from riyl.core.files import content_id, published
from riyl.core.storage.memory_map import write_arrow
from riyl.core.storage.model import Model
from riyl.core.storage.part import NAME
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Mask, Matrix, Progress, silent
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.ivf import lay_out, uses_ivf
from riyl.index.artifact.names import popularity_order, write_names
from riyl.index.artifact.parts import PARTS, share_parts, write_knowledge
from riyl.index.artifact.version import (
    COLUMNS,
    EMBEDDING,
    FAISS,
    FORMAT,
    MANIFEST,
    NAMES,
    Version,
    seal_version,
)
from riyl.index.build.fit_scoring import fit_scoring, patterns_of
from riyl.index.build.ivf_probing import Probing, choose_probing
from riyl.index.build.neighbour_lists import Catalog, ready_lists
from riyl.index.build.quality_checks import RECALL, RECALL_AT, SAMPLE, inspect, samples
from riyl.index.encoding.embed import Embedding, embed_into
from riyl.index.scoring.factors import Patterns
from riyl.index.scoring.popularity import popularity_of
from riyl.index.scoring.score import BESIDE
from riyl.index.scoring.tie_breaking import TIE_SEED
from riyl.training.features.featurizer import terms_of

SETTINGS = {"list_length": LIST_LENGTH, "tie_seed": TIE_SEED, "beside": BESIDE}
"""Settings that a version depends on besides model and snapshot; of an IVF index also the wanted recall."""

_log = logging.getLogger(__name__)


def version_id(model: Model, snapshot: Snapshot, recall: float = RECALL) -> str:
    """Return the id of the version that a model makes of a snapshot, in the current format."""
    # the snapshot's id covers the effective changes; the number up to which they were read makes no other version
    settings = _settings(snapshot, recall)
    fields = {"model": model.id, "snapshot": snapshot.id, "last_change": 0, "settings": settings, "format": FORMAT}
    return content_id("version", fields)


def _settings(snapshot: Snapshot, recall: float) -> dict[str, Any]:
    # an index without IVF lists is exact, whatever recall is wanted
    return {**SETTINGS, "recall": recall} if uses_ivf(snapshot.n_artists) else SETTINGS


def build_version(
    model: Model,
    snapshot: Snapshot,
    versions: Path,
    *,
    recall: float = RECALL,
    threads: int = 1,
    progress: Progress = silent,
) -> Version:
    """Build the version of a model and a snapshot in the folder of versions, or open it if it exists.

    An embedding that `embed_aside` saved is used, and removed at the end. A version that fails its quality checks is
    kept for inspection; it cannot be promoted.

    Args:
        model: the model.
        snapshot: the snapshot.
        versions: folder of versions.
        recall: minimum recall@10 of a Faiss index with IVF lists: as many lists are searched as it takes.
        threads: threads of embedding and search.
        progress: told how far each step is.

    Raises:
        MismatchError: the model was fitted on another featurizer.
        FormatError: the version exists and is damaged.
    """
    model.check_fits(snapshot)
    final = versions / version_id(model, snapshot, recall)
    embedding_folder = _aside(final)
    if final.exists():
        version = Version.open(final)
        (final / MANIFEST).touch()
        shutil.rmtree(embedding_folder, ignore_errors=True)
        return version
    with published(final) as aside:
        embedding = _taken(embedding_folder, aside) or embed_into(
            aside, model, snapshot, threads=threads, progress=progress
        )
        _fill(aside, final.name, model, snapshot, embedding, recall, threads, progress)
    shutil.rmtree(embedding_folder, ignore_errors=True)
    version = Version.open(final, verify=False)
    quality_checks = version.manifest["quality_checks"]
    (_log.info if quality_checks["passed"] else _log.error)(
        "version_built id=%s passed=%s", version.id, quality_checks["passed"]
    )
    return version


def embed_aside(
    model: Model,
    snapshot: Snapshot,
    versions: Path,
    *,
    recall: float = RECALL,
    threads: int = 1,
    progress: Progress = silent,
) -> Path:
    """Embed a snapshot and save the embedding beside the versions, so that a build killed later need not embed again.

    Does nothing where the embedding is saved already or the version exists. `recall` is that of `build_version`;
    `threads` are those of ONNX.

    Returns:
        The folder that `build_version` takes the embedding from.

    Raises:
        MismatchError: the model was fitted on another featurizer.
    """
    model.check_fits(snapshot)
    final = versions / version_id(model, snapshot, recall)
    embedding_folder = _aside(final)
    if not final.exists() and _kept(embedding_folder) is None:
        with published(embedding_folder) as aside:
            embed_into(aside, model, snapshot, threads=threads, progress=progress).save(aside)
    return embedding_folder


def _aside(final: Path) -> Path:
    return final.with_name(f".{final.name}{EMBEDDING}")


def _kept(folder: Path) -> Embedding | None:
    """Load the saved embedding; None where there is none; a damaged one is removed and gives None."""
    if not folder.exists():
        return None
    try:
        return Embedding.load(folder)
    except (FormatError, FileNotFoundError) as error:  # the latter if another build removes it meanwhile
        _log.warning("embedding_damaged %s", error)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _taken(embedding_folder: Path, folder: Path) -> Embedding | None:
    """Load the saved embedding and link its parts into `folder`; None where there is none or it is damaged."""
    embedding = _kept(embedding_folder)
    if embedding is None:
        return None
    try:
        share_parts(embedding_folder, folder)
    except FileNotFoundError as error:
        _log.warning("embedding_damaged %s", error)
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        return None
    return embedding


def _fill(
    folder: Path,
    identity: str,
    model: Model,
    snapshot: Snapshot,
    embedding: Embedding,
    recall: float,
    threads: int,
    progress: Progress,
) -> None:
    sets, patterns = patterns_of(snapshot)
    scoring = fit_scoring(model, snapshot, embedding, threads=threads)
    catalog = Catalog(snapshot.artist_ids, embedding.vectors, embedding.covered, patterns, scoring)
    lists, scores = ready_lists(catalog, threads=threads, progress=progress)
    popular = popularity_order(snapshot.listeners, snapshot.plays)
    arrays: dict[str, NDArray[Any]] = {
        "listeners": snapshot.listeners,
        "plays": snapshot.plays,
        "by_popularity": popular,
        "patterns": patterns,
        "embeddings": embedding.vectors,
        "has_embedding": embedding.covered,
        "neighbours": lists,
        "scores": scores,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    scoring.save(folder)
    _write_artists(folder, snapshot.artists)
    not_embedded = _not_embedded(model, snapshot, embedding.covered)
    write_arrow(folder / "not_embedded.arrow", not_embedded)
    stored = scoring.stored(embedding.vectors, patterns, popularity_of(snapshot.listeners))[embedding.covered]
    probing = _write_index(folder / FAISS, stored, catalog, scores, recall, threads, progress)
    write_names(folder / NAMES, _names(snapshot.artists), popular, progress)
    with_sets = write_knowledge(folder, snapshot, lambda name: terms_of(snapshot, name))
    nobody = sorted(snapshot.modalities.keys() - snapshot.modalities_had)
    report = inspect(folder, catalog, lists, not_embedded.num_rows, probing=probing, threads=threads, progress=progress)
    seal_version(
        folder,
        {
            "id": identity,
            "model": model.id,
            "model_name": model.name,
            "snapshot": snapshot.id,
            "last_change": snapshot.last_change,
            "settings": _settings(snapshot, recall),
            "dim": model.dim,
            "scoring": scoring.settings.as_dict(),
            "patterns": [list(names) for names in sets],
            "parts": [*(m for m in model.parts if m in snapshot.modalities), *([NAME] if model.name_part else [])],
            "evidence": list(snapshot.modalities),
            "sets": with_sets,
            **({"absent_modalities": nobody} if nobody else {}),
            **({"ivf": asdict(probing)} if probing is not None else {}),
            **({"sizes": snapshot.sizes} if snapshot.sizes is not None else {}),
            "counts": _counts(snapshot, embedding.covered, sets, patterns, not_embedded),
            "quality_checks": report.as_dict(),
        },
    )


def _write_index(
    path: Path, stored: Matrix, catalog: Catalog, scores: Matrix, recall: float, threads: int, progress: Progress
) -> Probing | None:
    """Write the Faiss file, and choose how many of its IVF lists are searched; None where it has none."""
    index = lay_out(stored, threads=threads)
    probing = None
    if isinstance(index, faiss.IndexIVF):
        _, rows = samples(np.flatnonzero(catalog.has_embedding).astype(np.int32))
        probing = choose_probing(
            index, catalog, scores, rows, k=RECALL_AT, wanted=recall, checked=SAMPLE, threads=threads, progress=progress
        )
    faiss.write_index(index, str(path))
    return probing


def _write_artists(folder: Path, artists: pa.Table) -> None:
    others = [name for name in artists.column_names if name not in COLUMNS]
    write_arrow(folder / "artists.arrow", artists.select([*COLUMNS, *others]))


def _names(artists: pa.Table) -> list[list[str]]:
    """Return the name and aliases of each artist."""
    names, aliases = artists.column("name").to_pylist(), artists.column("aliases").to_pylist()
    return [[name, *(a for a in more or () if a)] for name, more in zip(names, aliases, strict=True)]


def _not_embedded(model: Model, snapshot: Snapshot, covered: Mask) -> pa.Table:
    """Return a table of artist_id and reason of every artist without an embedding."""
    takes = np.zeros(snapshot.n_artists, bool)
    for name in snapshot.modalities.keys() & model.parts.keys():
        takes[snapshot.modalities[name].rows] = True
    wanted = ", ".join(model.parts)
    any_at_all = snapshot.having()
    rows = np.flatnonzero(~covered)
    reasons = [
        "its parts cancel each other out"
        if takes[row]
        else f"no usable input: has none of {wanted}"
        if any_at_all[row]
        else "no input"
        for row in rows.tolist()
    ]
    ids = [snapshot.artist_ids[row] for row in rows.tolist()]
    return pa.table({"artist_id": pa.array(ids, pa.string()), "reason": pa.array(reasons, pa.string())})


def _counts(
    snapshot: Snapshot, covered: Mask, sets: list[tuple[str, ...]], patterns: Patterns, not_embedded: pa.Table
) -> dict[str, Any]:
    reasons = not_embedded.column("reason").to_pylist()
    per_pattern = np.bincount(patterns, minlength=len(sets)).tolist()
    return {
        "artists": snapshot.n_artists,
        "embedded": int(covered.sum()),
        "by_pattern": {"+".join(names) or "nothing": count for names, count in zip(sets, per_pattern, strict=True)},
        "not_embedded": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
    }
