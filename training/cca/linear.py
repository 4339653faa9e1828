"""Linear parts: one modality's map of a linear model, and its ONNX file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from riyl.core.storage.model import Part
from riyl.core.types import Matrix

TINY = 1e-12
"""Minimum divisor of a vector when it is scaled to unit length; torch's normalize has the same."""


@dataclass(frozen=True)
class RandomFourierFeatures:
    """Random Fourier features (Rahimi and Recht 2007): u to sqrt(2 / D) cos(u @ frequencies + phases).

    Inner products of the features of u and v approximate exp(-|u - v|^2 / (2 s^2)) if the frequencies are drawn from a
    normal distribution of deviation 1 / s; so linear maps of the features are smooth curved maps of u.

    Attributes:
        frequencies: (width, D) float32.
        phases: (D,) float32.
    """

    frequencies: Matrix
    phases: Matrix

    @property
    def height(self) -> float:
        return float(np.sqrt(2 / len(self.phases)))

    def append_to(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Append the features to (n, width) unit rows, giving (n, width + D) float64."""
        return np.hstack([unit, self.height * np.cos(unit @ self.frequencies + self.phases)])


@dataclass(frozen=True)
class ResidualMlp:
    """Hidden layer whose output, relu(z @ inner + bias) @ outer, is added to z @ weights.

    Attributes:
        inner: (width, hidden) float32.
        bias: (hidden,) float32.
        outer: (hidden, dim) float32.
    """

    inner: Matrix
    bias: Matrix
    outer: Matrix


@dataclass(frozen=True)
class LinearPart:
    """Map of x to z @ weights; z is x - mean, or with unit rows |x| / sqrt(|x|^2 + norm_shrinkage^2) (x / |x| - mean).

    Attributes:
        unit_rows: whether x is scaled to unit length first.
        mean: (width,) float32; with Fourier features (width + D,).
        weights: (width, dim) float32; with Fourier features (width + D, dim).
        norm_shrinkage: 0 or more, with unit rows only; the length of x at which the part loses half of its square. A
            short vector rests on little data and so gets a short part. 0 shortens none.
        table: (V, width) float32 if the input is a set of weighted terms: x = sum over its terms t of
            log(1 + weight) table[t]. None if the input is x itself.
        max_terms: maximum number of terms read of an artist, the heaviest first; 0 for vectors.
        fourier_features: with unit rows only, features appended to x / |x| before the mean is subtracted.
        residual: hidden layer added by supervision.
    """

    unit_rows: bool
    mean: Matrix
    weights: Matrix
    norm_shrinkage: float = 0.0
    table: Matrix | None = None
    max_terms: int = 0
    fourier_features: RandomFourierFeatures | None = None
    residual: ResidualMlp | None = None


def linear_onnx(part: LinearPart) -> tuple[Part, bytes]:
    """Export a linear part: return its input description and its ONNX file."""
    dim = part.weights.shape[1]
    width = len(part.mean) - (0 if part.fourier_features is None else len(part.fourier_features.phases))
    constants: dict[str, NDArray[np.generic]] = {"mean": part.mean, "weights": part.weights}
    nodes: list[NodeProto] = []
    takes = Part("vector", width)
    inputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", width])]
    if part.table is not None:
        takes = Part("weighted", len(part.table), part.max_terms)
        inputs = [
            helper.make_tensor_value_info("terms", TensorProto.INT64, ["n", "s"]),
            helper.make_tensor_value_info("weights_of_terms", TensorProto.FLOAT, ["n", "s"]),
        ]
        constants |= {"table": part.table, "one": np.ones(1, np.float32), "row": np.array([1], np.int64)}
        nodes += _LOOK_UP
    x = "vectors"
    if part.unit_rows:
        constants |= {"tiny": np.array(TINY, np.float32), "axis": np.array([1], np.int64)}
        nodes += _UNIT
        x = "unit"
    if part.fourier_features is not None:
        constants |= {"frequencies": part.fourier_features.frequencies, "phases": part.fourier_features.phases}
        constants["height"] = np.array(part.fourier_features.height, np.float32)
        nodes += _FOURIER_NODES
        x = "rows_and_waves"
    nodes.append(helper.make_node("Sub", [x, "mean"], ["centred"]))
    x = "centred"
    if part.unit_rows and part.norm_shrinkage:
        constants["square"] = np.array(part.norm_shrinkage**2, np.float32)
        nodes += _SHORTEN
        x = "shortened"
    if part.residual is None:
        nodes.append(helper.make_node("MatMul", [x, "weights"], ["part"]))
    else:
        constants |= {"inner": part.residual.inner, "bias": part.residual.bias, "outer": part.residual.outer}
        nodes += [
            helper.make_node("MatMul", [x, "weights"], ["straight"]),
            helper.make_node("MatMul", [x, "inner"], ["turns"]),
            helper.make_node("Add", ["turns", "bias"], ["raised"]),
            helper.make_node("Relu", ["raised"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "outer"], ["bent"]),
            helper.make_node("Add", ["straight", "bent"], ["part"]),
        ]
    graph = helper.make_graph(
        nodes,
        "part",
        inputs,
        [helper.make_tensor_value_info("part", TensorProto.FLOAT, ["n", dim])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return takes, model.SerializeToString(deterministic=True)


_LOOK_UP = [
    helper.make_node("Add", ["weights_of_terms", "one"], ["above"]),
    helper.make_node("Log", ["above"], ["damped"]),  # (n, s)
    helper.make_node("Unsqueeze", ["damped", "row"], ["rows"]),  # (n, 1, s)
    helper.make_node("Gather", ["table", "terms"], ["entries"]),  # (n, s, width)
    helper.make_node("MatMul", ["rows", "entries"], ["sums"]),  # (n, 1, width)
    helper.make_node("Squeeze", ["sums", "row"], ["vectors"]),
]
_UNIT = [
    helper.make_node("ReduceL2", ["vectors", "axis"], ["length"], keepdims=1),
    helper.make_node("Max", ["length", "tiny"], ["divisor"]),
    helper.make_node("Div", ["vectors", "divisor"], ["unit"]),
]
_FOURIER_NODES = [
    helper.make_node("MatMul", ["unit", "frequencies"], ["turned"]),
    helper.make_node("Add", ["turned", "phases"], ["shifted"]),
    helper.make_node("Cos", ["shifted"], ["waving"]),
    helper.make_node("Mul", ["waving", "height"], ["Fourier features"]),
    helper.make_node("Concat", ["unit", "Fourier features"], ["rows_and_waves"], axis=1),
]
_SHORTEN = [
    helper.make_node("Mul", ["divisor", "divisor"], ["squared"]),
    helper.make_node("Add", ["squared", "square"], ["softened"]),
    helper.make_node("Sqrt", ["softened"], ["longer"]),
    helper.make_node("Div", ["divisor", "longer"], ["evidence"]),
    helper.make_node("Mul", ["centred", "evidence"], ["shortened"]),
]
