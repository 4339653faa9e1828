"""A home whose sealed files are changed one by one and sealed again, as a stranger's home may be; each is served.

It runs as a program of its own, because a fault may crash the process: it prints each variant before it serves it.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from riyl.app.main import create_app
from riyl.core.db.keys import Role, create_key
from riyl.core.db.session import Database
from riyl.core.files import seal
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import CARD
from riyl.core.storage.snapshot import MANIFEST
from riyl.index.artifact.version import seal_version

FLIPS, WIDE = 4, (b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f")
TAKEN_UP_S = 10.0
FINE = frozenset({200, 201, 202, 204, 404, 409, 412, 422})
UNAVAILABLE = 503


@dataclass(frozen=True)
class Folder:
    """A sealed folder, and the way in which it is sealed."""

    path: Path
    manifest: str

    def seal(self) -> None:
        """Seal it over the present content of its files."""
        fields = json.loads((self.path / self.manifest).read_bytes())
        self.seal_as(fields)

    def seal_as(self, fields: dict[str, Any]) -> None:
        """Seal it with these fields; its list of files is made again."""
        fields.pop("files", None)
        if (self.path / "manifest.sha256").exists():
            (self.path / "manifest.sha256").unlink()
            seal_version(self.path, fields)
        else:
            seal(self.path, self.manifest, fields)


def damaged_files(folder: Folder, chance: random.Random, share: float) -> Iterator[str]:
    """Change one file after the other, seal the folder, and yield a description; each file is restored afterwards."""
    seals = {folder.manifest, "manifest.sha256", "source.json"}
    for path in sorted(path for path in folder.path.rglob("*") if path.is_file() and path.name not in seals):
        whole = path.read_bytes()
        for what, data in _variants(path.name, whole, chance):
            if chance.random() < share:
                path.write_bytes(data)
                folder.seal()
                yield f"{path.relative_to(folder.path)}: {what}"
        path.write_bytes(whole)
    folder.seal()


def damaged_fields(folder: Folder, chance: random.Random, share: float) -> Iterator[str]:
    """Change each field of the manifest, and each field within those, in the same way."""
    whole = json.loads((folder.path / folder.manifest).read_bytes())
    odd = [None, -1, 2**70, float("1e308"), "../../../../etc", [], {}, [[[[]]]], {"../x": {"../y": 1}}, True]
    for keys in _paths(whole):
        for value in (*odd, ...):
            if chance.random() < share:
                fields = json.loads(json.dumps(whole))
                inner = fields
                for key in keys[:-1]:
                    inner = inner[key]
                if value is ...:
                    del inner[keys[-1]]
                else:
                    inner[keys[-1]] = value
                folder.seal_as(fields)
                yield f"{folder.manifest}: {'.'.join(map(str, keys))} = {value!r:.30}"
    folder.seal_as(whole)


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key != "files":
            yield (key,)
            yield from ((key, *rest) for rest in _paths(inner))


def _variants(name: str, whole: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "cut in half", whole[: len(whole) // 2]
    yield "longer", whole + b"\x00" * 64
    yield "another", chance.randbytes(len(whole))
    if name.endswith(".npy"):
        yield from _arrays(np.load(io.BytesIO(whole)))
    for wide in WIDE:
        for at in {0, 4, max(0, len(whole) - 10), *(chance.randrange(len(whole) + 1) for _ in range(FLIPS))}:
            yield f"{wide!r} at {at}", whole[:at] + wide + whole[at + len(wide) :]
    for _ in range(FLIPS):
        at, bit = chance.randrange(max(1, len(whole))), chance.randrange(8)
        yield f"bit {bit} of {at}", whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] if whole else b"x"


def _arrays(array: np.ndarray[Any, Any]) -> Iterator[tuple[str, bytes]]:
    info = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
    worst = [np.inf, np.nan, 3e38] if array.dtype.kind == "f" else [True] if info is None else [info.min, info.max, -2]
    changed = {f"all {value}": np.full_like(array, value) for value in worst if info is None or value >= info.min}
    changed |= {
        "other numbers": array.astype(np.float64 if array.dtype != np.float64 else np.float32),
        "one less": array[:-1],
        "one more": np.concatenate([array, array[-1:]]),
        "Fortran": np.asfortranarray(np.atleast_2d(array)),
        "no axis": np.array(7, array.dtype),
        "backwards": array[::-1],
        "objects": np.array([{}], object),
    }
    for what, other in changed.items():
        stream = io.BytesIO()
        np.save(stream, other, allow_pickle=True)
        yield what, stream.getvalue()


async def answers(home: Home, key: str) -> Counter[int]:
    """Return the statuses of requests to a service over a home; none where it serves no version.

    Raises:
        AssertionError: a response is not a valid one.
    """
    app, statuses = create_app(Settings(home=home.root), poll_s=0.02, events_s=0.02), Counter[int]()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            if (await client.get("/readyz")).status_code != 200:
                return statuses
            for method, path, body in _requests():
                headers = {"authorization": f"Bearer {key}", "content-type": _type_of(method)}
                content = None if body is None else json.dumps(body)
                answer = await client.request(method, path, content=content, headers=headers)
                if answer.status_code not in FINE | {UNAVAILABLE}:
                    raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
                statuses[answer.status_code] += 1
    return statuses


def _requests() -> Iterator[tuple[str, str, Any]]:
    for artist in ("a000", "a001", "a005", "a058", "a059"):
        yield "GET", f"/v1/artists/{artist}/similar?k=200", None
        yield "GET", f"/v1/artists/{artist}/similar?k=9&explain=true&uncorrected=true", None
        yield "GET", f"/v1/artists/{artist}", None
    for text in ("bjork", "radiohed", "a", "the beat"):
        yield "GET", f"/v1/artists?q={text}", None
    seeds = [{"id": "a001"}, {"name": "Björk", "weight": 2}]
    yield "POST", "/v1/similar", {"seeds": seeds, "k": 50, "explain": True}
    yield "POST", "/v1/similar", {"seeds": seeds, "k": 20, "diversity": 0.5, "popularity": 0.5}
    yield "POST", "/v1/similar", {"seeds": seeds, "filters": {"attributes": {"country": "GB"}}}
    yield "POST", "/v1/similar", {"tags": {"t0": 3, "t1": 1}, "plays": {"u1": 2}, "k": 20, "explain": True}
    yield "GET", "/v1/index", None
    yield "GET", "/v1/versions", None
    yield "GET", "/v1/truths", None
    yield "PATCH", "/v1/artists/a002", {"tags": {"t1": 5}}
    yield "GET", "/v1/artists/a002", None


def _type_of(method: str) -> str:
    return "application/merge-patch+json" if method == "PATCH" else "application/json"


def main(root: Path, kind: str, seed: int, share: float) -> None:
    """Serve a home with each of its files of that kind changed."""
    home, chance = Home(root), random.Random(seed)
    (path,) = (each for each in getattr(home, kind).iterdir() if each.is_dir())
    folder = Folder(path, CARD if kind == "models" else MANIFEST)
    database = Database.of(Settings(home=root))
    _, key = create_key(database, "damage", Role.ADMIN)
    database.close()
    before = Path(shutil.copytree(root, root.with_name("before")))
    total, refused = Counter[int](), 0
    for damage in _damages(folder, chance, share):
        sys.stdout.write(f"{damage}\n")
        sys.stdout.flush()
        for name in ("riyl.sqlite", "CURRENT"):
            for stored in before.rglob(name):
                shutil.copy2(stored, root / stored.relative_to(before))
        statuses = asyncio.run(answers(home, key))
        refused += not statuses
        total += statuses
    sys.stdout.write(f"{json.dumps({'refused': refused, 'answers': total})}\n")


def _damages(folder: Folder, chance: random.Random, share: float) -> Iterator[str]:
    yield from damaged_files(folder, chance, share)
    yield from damaged_fields(folder, chance, share)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
