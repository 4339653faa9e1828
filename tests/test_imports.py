"""What can be imported in an environment without the extras."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires

import pytest

from tests.conftest import REPOSITORY

METHODS = r"riyl\.training\.(baselines|cca|checkpoint|contrastive)(\..*)?"
"""Modules that hold a method; `riyl.training.train` imports them when the method runs."""

LIGHT = sorted(
    name
    for package in ("core", "training", "index", "evaluation", "app")
    for path in (REPOSITORY / package).rglob("*.py")
    for name in [".".join(("riyl", *path.relative_to(REPOSITORY).with_suffix("").parts)).removesuffix(".__init__")]
    if not re.fullmatch(METHODS, name) and ".migrations." not in name
)

BLOCK = """
import importlib, importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""

IMPORT_ALL = """
for name in sys.argv[2].split(","):
    importlib.import_module(name)
"""

FIT_CF = """
import scipy.sparse as sp
from riyl.core.errors import MissingExtraError
from riyl.training.features.als import fit_cf
from riyl.training.features.recipe import CfRecipe
try:
    fit_cf(sp.csr_matrix((2, 2)), ["u1", "u2"], CfRecipe(), 0)
except MissingExtraError as error:
    print(error)
"""

LIST_LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(",".join(sys.modules))
"""


def packages_of(extra: str) -> set[str]:
    """Import names of the packages that an extra alone brings."""
    renamed = {"scikit-learn": "sklearn"}
    listed = [each for each in requires("riyl") or [] if re.search(rf"extra == ['\"]{extra}['\"]", each)]
    names = {re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in listed}
    return {renamed.get(name, name) for name in names}


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_every_module_but_the_methods_is_imported_without_the_extra_train() -> None:
    blocked = packages_of("train")
    assert {"torch", "onnx", "onnxscript", "sklearn", "implicit", "optuna"} <= blocked
    done = run(BLOCK + IMPORT_ALL, ",".join(sorted(blocked)), ",".join(LIGHT))
    assert done.returncode == 0, done.stderr


def test_the_extra_is_named_where_a_package_of_it_is_missing() -> None:
    done = run(BLOCK + FIT_CF, ",".join(packages_of("train")))
    assert done.stdout.strip() == (
        "found no package 'implicit'; wanted the extra 'train': pip install 'riyl[train]'"
    ), done.stderr


@pytest.mark.parametrize("module", ["riyl.app.cli", "riyl.app.main"])
def test_what_starts_the_service_imports_nothing_that_trains(module: str) -> None:
    done = run(LIST_LOADED, module)
    assert done.returncode == 0, done.stderr
    assert not packages_of("train") & set(done.stdout.strip().split(","))


def test_the_package_itself_loads_nothing_heavy() -> None:
    done = run(LIST_LOADED, "riyl")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.strip().split(","))
    assert "riyl" in loaded
    assert not loaded & {"riyl.app", "riyl.core", "numpy", "pyarrow", "narwhals", "pandas", "polars", "pydantic"}


def test_frames_of_pyarrow_need_no_other_library_of_data_frames() -> None:
    code = BLOCK + "import riyl\nprint(type(riyl.open(sys.argv[2], backend='pyarrow').models()).__module__)"
    done = run(code, "pandas,polars", str(REPOSITORY))
    assert (done.stdout.strip(), done.returncode) == ("pyarrow.lib", 0), done.stderr
