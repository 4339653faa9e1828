"""References of an ONNX file to other files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

from riyl.core.errors import FormatError
from riyl.core.files import seal
from riyl.core.storage.model import CARD, Model
from riyl.index.encoding.onnx_inputs import open_session

OUTSIDE = "outside.bin"


def test_a_model_that_names_another_file_does_not_read_it(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["pca"]
    folder = Path(shutil.copytree(model.folder, tmp_path / model.id))
    graph = onnx.load_from_string(model.onnx("audio").read())
    tensor = max(graph.graph.initializer, key=lambda each: len(each.raw_data))
    numbers = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": OUTSIDE, "offset": "0", "length": str(numbers.nbytes)}.items():
        tensor.external_data.add(key=key, value=value)
    (folder / "audio.onnx").write_bytes(graph.SerializeToString())
    (folder / OUTSIDE).write_bytes(numbers.tobytes())
    seal(folder, CARD, {name: value for name, value in model.card.items() if name != "files"})
    monkeypatch.chdir(folder)
    with pytest.raises(FormatError, match=r"audio\.onnx: damaged, found no model that can run"):
        open_session(Model.open(folder), "audio")


def test_what_is_no_onnx_is_damaged(models: dict[str, Model], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models["pca"].folder, tmp_path / "m"))
    (folder / "audio.onnx").write_bytes(b"no model")
    seal(folder, CARD, {name: value for name, value in models["pca"].card.items() if name != "files"})
    with pytest.raises(FormatError, match=r"audio\.onnx: damaged, found no model that can run"):
        open_session(Model.open(folder), "audio")
