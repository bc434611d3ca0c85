"""ONNX graphs node by node."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.contracts.text_card import IDS, MASK, VECTOR

OPSET = 17
"""The first with LayerNormalization."""
IR_VERSION = 8
_LENGTH_MIN = np.float32(1e-9)


class Graph:
    """Nodes and constants as they are written; operators of the ONNX standard only."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, values: Any) -> str:
        """Keep values under a name, the first time that it is named; return the name."""
        from onnx import numpy_helper  # noqa: PLC0415 - as in training.export

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Append a node with one output; return the output's name."""
        from onnx import helper  # noqa: PLC0415 - as above

        output = name or f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def unit(self, x: str, name: str) -> str:
        """Divide rows of shape (n, d) by their lengths; a row of zeros stays one."""
        length = self.node("ReduceL2", x, axes=[1], keepdims=1)
        return self.node("Div", x, self.node("Max", length, self.constant("length_min", _LENGTH_MIN)), name=name)

    def pooled(self, x: str, mask: str) -> str:
        """Mean over the tokens that a mask of shape (n, t) keeps, from shape (n, t, d) to (n, d)."""
        last = self.node("Unsqueeze", mask, self.constant("last_axis", np.array([2])))
        axis = self.constant("token_axis", np.array([1]))
        total = self.node("ReduceSum", self.node("Mul", x, last), axis, keepdims=0)
        return self.node("Div", total, self.node("ReduceSum", last, axis, keepdims=0))

    def mask(self) -> str:
        """The attention mask as float32."""
        from onnx import TensorProto  # noqa: PLC0415 - as above

        return self.node("Cast", MASK, to=TensorProto.FLOAT)

    def embedding(self, width: int) -> bytes:
        """Finish a graph from token ids and mask to `vector`, float32 of shape (n, width)."""
        from onnx import TensorProto, helper  # noqa: PLC0415 - as above

        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in (IDS, MASK)]
        return self.finished(inputs, helper.make_tensor_value_info(VECTOR, TensorProto.FLOAT, ["n", width]))

    def rows(self, source: str, wide: int, target: str) -> bytes:
        """Finish a graph from rows of float32, shape (n, wide), to one float32 each, shape (n, 1)."""
        from onnx import TensorProto, helper  # noqa: PLC0415 - as above

        inputs = [helper.make_tensor_value_info(source, TensorProto.FLOAT, ["n", wide])]
        return self.finished(inputs, helper.make_tensor_value_info(target, TensorProto.FLOAT, ["n", 1]))

    def finished(self, inputs: list[Any], output: Any) -> bytes:
        """Check and spell the graph; equal graphs have equal bytes."""
        from onnx import checker, helper  # noqa: PLC0415 - as above

        graph = helper.make_graph(self._nodes, "gatehouse", inputs, [output], list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="gatehouse")
        checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
