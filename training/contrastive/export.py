"""Export of encoders to ONNX, which index and service run without torch."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import torch
from torch import Tensor, nn

from riyl.core.errors import RiylError
from riyl.core.types import Matrix
from riyl.training.contrastive.inputs import Input, TermInput
from riyl.training.runtime import onnxruntime

TOLERANCE = 1e-5
"""Maximum absolute difference between the outputs of torch and ONNX."""

INPUT_NAMES = {"vector": ["vectors"], "terms": ["tokens", "mask"]}
"""Names of the ONNX inputs by `riyl.core.storage.model.Part.input`."""


def export_onnx(encoder: nn.Module, encoder_input: Input) -> bytes:
    """Export an encoder as an ONNX file that takes any number of artists and, for sets, any number of terms.

    Raises:
        RiylError: outputs of ONNX and torch differ by more than `TOLERANCE` for the same artists.
    """
    encoder = encoder.cpu().eval()
    example = tuple(t.cpu() for t in encoder_input(torch.arange(3)))
    n = torch.export.Dim("n")
    s = torch.export.Dim("s")
    shapes = ({0: n, 1: s}, {0: n, 1: s}) if isinstance(encoder_input, TermInput) else ({0: n},)
    if isinstance(encoder_input, TermInput):
        example = _at_least_two_terms(*example)
    names = INPUT_NAMES[encoder_input.part.input]
    # the exporter prints its progress and logs its attempts, which mean nothing to the user
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder, example, input_names=names, output_names=["part"], dynamic_shapes=shapes, dynamo=True
        )
    if program is None:
        raise RiylError("torch returned no ONNX program")
    data: bytes = program.model_proto.SerializeToString(deterministic=True)
    probe = tuple(t.cpu() for t in encoder_input(torch.arange(min(64, len(encoder_input)))))
    difference = _difference(encoder, data, names, probe)
    if difference > TOLERANCE:
        raise RiylError(f"outputs of ONNX and torch differ by {difference:.2e}; wanted at most {TOLERANCE:.0e}")
    return data


def _difference(encoder: nn.Module, data: bytes, names: list[str], probe: tuple[Tensor, ...]) -> float:
    with torch.no_grad():
        expected: Matrix = encoder(*probe).numpy()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (actual,) = session.run(["part"], {name: t.numpy() for name, t in zip(names, probe, strict=True)})
    return float(np.abs(actual - expected).max())


def _at_least_two_terms(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Pad sets of one term to two, because torch.export treats a dimension of 1 as a constant."""
    short = max(0, 2 - tokens.shape[1])
    return nn.functional.pad(tokens, (0, 0, 0, short)), nn.functional.pad(mask, (0, short))
