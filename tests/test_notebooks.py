"""The notebooks of the documentation: stored without outputs, and run from top to bottom."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])

TIMEOUT_S = 600


def source(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def test_there_is_a_notebook() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["paper-figures"]


@EACH
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    code = [cell for cell in source(path)["cells"] if cell["cell_type"] == "code"]
    assert code
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []


def test_figure_1_takes_at_most_ten_lines() -> None:
    (cell,) = (
        "".join(cell["source"]).splitlines()
        for cell in source(NOTEBOOKS[0])["cells"]
        if "paper-msd" in "".join(cell["source"]) and ".figure(1)" in "".join(cell["source"])
    )
    assert len([line for line in cell if line.strip()]) <= 10


@EACH
@pytest.mark.slow
@pytest.mark.network
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # imported here: only this test needs a kernel
    import nbformat
    from nbclient import NotebookClient

    for name in [name for name in os.environ if name.startswith("RIYL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))  # the kernel runs elsewhere
    monkeypatch.setenv("RIYL_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for variable, folder in (("IPYTHONDIR", "ipython"), ("JUPYTER_RUNTIME_DIR", "runtime"), ("TMPDIR", "tmp")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == 3
    assert list((tmp_path / "tmp").glob("*/riyl-home")) == []  # the notebook removes its folder
