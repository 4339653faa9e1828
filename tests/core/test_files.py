"""Files are complete or absent: after an exception, after a killed process, and if two processes make the same."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from riyl.core.files import (
    content_id,
    discard,
    published,
    sha256_of,
    sweep,
    write_bytes,
    write_json,
)

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "x").write_bytes(data)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_a_content_id_is_the_start_of_the_sha256_of_sorted_json() -> None:
    wanted = hashlib.sha256('{"a":"é","b":[1,2.5],"kind":"thing"}'.encode()).hexdigest()[:16]
    assert content_id("thing", {"b": [1, 2.5], "a": "é"}) == wanted


def test_a_content_id_depends_on_kind_and_value() -> None:
    assert len({content_id("x", {"a": 1}), content_id("y", {"a": 1}), content_id("x", {"a": 2})}) == 3


def test_a_content_id_of_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id("x", {"a": float("nan")})


def test_bytes_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_bytes(path, b"old and longer")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


def test_written_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"x")
    (tmp_path / "any").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "any").stat().st_mode)


def test_when_bytes_cannot_be_put_in_place_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path / "taken", b"x")
    assert names(tmp_path) == ["taken"]


def test_json_is_sorted_readable_and_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "é", "a": 1})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": 1,\n  "b": "é"\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", float("inf"))


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "final"
    with published(final) as aside:
        (aside / "sub").mkdir()
        (aside / "sub" / "file").write_text("x")
        assert not final.exists()
    assert (final / "sub" / "file").read_text() == "x"
    assert names(final.parent) == ["final"]
    assert stat.S_IMODE(final.stat().st_mode) == 0o755


def test_nothing_is_left_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), published(tmp_path / "final") as aside:  # noqa: PT012
        (aside / "file").write_text("x")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_what_exists_by_then_wins(tmp_path: Path) -> None:
    final = tmp_path / "final"
    with published(final) as slow:
        (slow / "by").write_text("slow")
        with published(final) as quick:
            (quick / "by").write_text("quick")
    assert (final / "by").read_text() == "quick"
    assert names(tmp_path) == ["final"]


def test_two_threads_that_make_the_same_leave_one_whole_folder(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=60)

    def make(word: str) -> None:
        with published(tmp_path / "final") as aside:
            (aside / "a").write_text(word)
            together.wait()
            (aside / "b").write_text(word)

    threads = [threading.Thread(target=make, args=(word,)) for word in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == ["final"]
    assert (tmp_path / "final" / "a").read_text() == (tmp_path / "final" / "b").read_text()


def test_a_folder_being_filled_is_not_swept_away(tmp_path: Path) -> None:
    with published(tmp_path / "final") as first:
        (first / "file").write_text("x")
        with pytest.raises(ZeroDivisionError), published(tmp_path / "final"):
            raise ZeroDivisionError
        assert (first / "file").exists()
    assert names(tmp_path / "final") == ["file"]


def test_a_killed_process_leaves_no_final_folder_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    final = tmp_path / "final"
    code = (
        "import sys, pathlib; from riyl.core.files import published\n"
        "with published(pathlib.Path(sys.argv[1])) as aside:\n"
        "    (aside / 'half').write_text('x'); print('filling', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(final)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"filling\n"
        process.send_signal(signal.SIGKILL)
    assert not final.exists()
    assert len(names(tmp_path)) == 1
    with published(final) as aside:
        (aside / "whole").write_text("x")
    assert names(tmp_path) == ["final"]
    assert names(final) == ["whole"]


@pytest.mark.parametrize("name", [".final.backup", ".final.conf", ".final.1", ".final.abcdefgh.123", ".final"])
def test_hidden_folders_of_the_user_are_not_swept_away(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with published(tmp_path / "final"):
        pass
    assert names(tmp_path) == sorted([name, "final"])


def test_leftovers_of_a_name_that_begins_alike_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / ".final.old.abcdefgh.aside").mkdir()
    (tmp_path / ".final.abcdefgh.aside").mkdir()
    with published(tmp_path / "final"):
        pass
    assert names(tmp_path) == [".final.old.abcdefgh.aside", "final"]


def test_a_discarded_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "x" / "deep").mkdir(parents=True)
    discard(tmp_path / "x")
    assert names(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        discard(tmp_path / "x")


def test_a_sweep_removes_what_was_left_and_nothing_else(tmp_path: Path) -> None:
    for left in (".a.abcdefgh.aside", ".b.0_9zzzzz.aside", ".c.pruned"):
        (tmp_path / left / "deep").mkdir(parents=True)
    kept_names = ["a", ".hidden", ".a.conf", ".a.1.aside", "a.pruned"]
    for name in kept_names:
        (tmp_path / name).mkdir()
    with published(tmp_path / "filling") as aside:
        sweep(tmp_path)
        assert names(tmp_path) == sorted([*kept_names, aside.name])


def next_descriptor() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_the_lock_of_a_finished_folder_is_given_back(tmp_path: Path) -> None:
    before = next_descriptor()
    with published(tmp_path / "final"):
        pass
    with pytest.raises(ZeroDivisionError), published(tmp_path / "other"):
        raise ZeroDivisionError
    assert next_descriptor() == before
