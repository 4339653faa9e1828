"""Linear parts: one modality's map of a linear model, and its ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from riyl.core.storage.model import Part
from riyl.core.types import Matrix
from riyl.training.cca.blocks import PRESENCE, TINY, Block, Columns, DescriptorBlock, RandomFourierFeatures, UnitBlock


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
    """Map of x to z @ weights, with z as `riyl.training.cca.blocks.z_of` computes it.

    Attributes:
        width: width of x.
        blocks: blocks of x.
        weights: (width of z, dim) float32.
        extra: if x is a vector, the names of the modality's blocks that follow it, which `width` includes.
        table: (V, width) float32 if the input is a set of weighted terms: x = sum over its terms t of
            log(1 + weight) table[t]. None if the input is x itself.
        max_terms: maximum number of terms read of an artist, the heaviest first; 0 for vectors.
        residual: hidden layer added by supervision.
        terms: for the name, the n-grams that the rows of `table` belong to; a modality's terms are the featurizer's.
    """

    width: int
    blocks: tuple[Block, ...]
    weights: Matrix
    extra: tuple[str, ...] = ()
    table: Matrix | None = None
    max_terms: int = 0
    residual: ResidualMlp | None = None
    terms: tuple[str, ...] = ()


class _Graph:
    """Nodes and constants of an ONNX graph; each value is named by its operation and a number."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[np.generic]] = {}

    def add(self, operation: str, *inputs: str | NDArray[np.generic], output: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output; arrays among the inputs become constants."""
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        name = output or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, names, [name], **attributes))
        return name

    def _constant(self, value: NDArray[np.generic]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return name


def linear_onnx(part: LinearPart) -> tuple[Part, bytes]:
    """Export a linear part: return its input description and its ONNX file."""
    graph = _Graph()
    takes = Part("vector", part.width, blocks=part.extra)
    inputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", part.width])]
    x = "vectors"
    if part.table is not None:
        takes = Part("weighted", len(part.table), part.max_terms)
        inputs = [
            helper.make_tensor_value_info("terms", TensorProto.INT64, ["n", "s"]),
            helper.make_tensor_value_info("weights_of_terms", TensorProto.FLOAT, ["n", "s"]),
        ]
        x = _look_up(graph, part.table)
    of_blocks = [_z(graph, _columns(graph, x, block.columns, part.width), block) for block in part.blocks]
    z = of_blocks[0] if len(of_blocks) == 1 else graph.add("Concat", *of_blocks, axis=1)
    if part.residual is None:
        graph.add("MatMul", z, part.weights, output="part")
    else:
        linear = graph.add("MatMul", z, part.weights)
        hidden = graph.add("Relu", graph.add("Add", graph.add("MatMul", z, part.residual.inner), part.residual.bias))
        graph.add("Add", linear, graph.add("MatMul", hidden, part.residual.outer), output="part")
    return takes, _serialised(graph, inputs, part.weights.shape[1])


def _serialised(graph: _Graph, inputs: list[onnx.ValueInfoProto], dim: int) -> bytes:
    proto = helper.make_graph(
        graph.nodes,
        "part",
        inputs,
        [helper.make_tensor_value_info("part", TensorProto.FLOAT, ["n", dim])],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _look_up(graph: _Graph, table: Matrix) -> str:
    """Add x = sum over an artist's terms of log(1 + weight) table[term], (n, width)."""
    row = np.array([1], np.int64)
    logs = graph.add("Log", graph.add("Add", "weights_of_terms", np.ones(1, np.float32)))  # (n, s)
    entries = graph.add("Gather", table, "terms")  # (n, s, width)
    sums = graph.add("MatMul", graph.add("Unsqueeze", logs, row), entries)  # (n, 1, width)
    return graph.add("Squeeze", sums, row)


def _columns(graph: _Graph, x: str, columns: Columns, width: int) -> str:
    if np.array_equal(columns, np.arange(width)):
        return x
    return graph.add("Gather", x, columns, axis=1)


def _z(graph: _Graph, y: str, block: Block) -> str:
    z = _z_of_direction(graph, y, block) if isinstance(block, UnitBlock) else _z_of_values(graph, y, block)
    return z if block.weight == 1 else graph.add("Mul", z, _number(block.weight))


def _z_of_direction(graph: _Graph, y: str, block: UnitBlock) -> str:
    if not block.unit_rows:
        return graph.add("Sub", _with_fourier_features(graph, y, block.fourier_features), block.mean)
    length = graph.add("ReduceL2", y, np.array([1], np.int64), keepdims=1)
    divisor = graph.add("Max", length, _number(TINY))
    unit = graph.add("Div", y, divisor)
    centred = graph.add("Sub", _with_fourier_features(graph, unit, block.fourier_features), block.mean)
    if block.norm_shrinkage:
        square = graph.add("Add", graph.add("Mul", length, length), _number(block.norm_shrinkage**2))
        divisor = graph.add("Sqrt", square)
    return graph.add("Mul", centred, graph.add("Div", length, divisor))


def _z_of_values(graph: _Graph, y: str, block: DescriptorBlock) -> str:
    standard = graph.add("Div", graph.add("Sub", y, block.centre), block.scale)
    centred = graph.add("Sub", _with_fourier_features(graph, standard, block.fourier_features), block.mean)
    differs = graph.add("Cast", graph.add("Not", graph.add("Equal", y, block.absent)), to=TensorProto.FLOAT)
    here = graph.add("ReduceMax", differs, np.array([1], np.int64), keepdims=1)  # (n, 1)
    flag = graph.add("Mul", graph.add("Sub", here, _number(block.share)), _number(PRESENCE))
    return graph.add("Concat", graph.add("Mul", centred, here), flag, axis=1)


def _with_fourier_features(graph: _Graph, rows: str, features: RandomFourierFeatures | None) -> str:
    if features is None:
        return rows
    shifted = graph.add("Add", graph.add("MatMul", rows, features.frequencies), features.phases)
    scaled = graph.add("Mul", graph.add("Cos", shifted), _number(features.height))
    return graph.add("Concat", rows, scaled, axis=1)


def _number(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)
