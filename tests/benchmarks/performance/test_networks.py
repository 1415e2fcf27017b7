"""Operations of a network are those of its products, at the sizes that a run has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from benchmarks.performance.networks import operations, plain_graph  # noqa: E402

KERNELS = {
    "Conv": ((5, 3, 3, 3), 5 * 14 * 14 * 3 * 3 * 3),
    "ConvTranspose": ((3, 7, 2, 2), 3 * 16 * 16 * 7 * 2 * 2),
    "MatMul": ((16, 9), 3 * 16 * 16 * 9),
}
"""Shape of the weight, and multiplications for an image of 3 x 16 x 16."""


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("images", [1, 4])
def test_operations_are_two_a_product(kind: str, images: int, tmp_path: Path) -> None:
    shape, products = KERNELS[kind]
    weight = numpy_helper.from_array(np.ones(shape, np.float32), "weight")
    node = helper.make_node(kind, ["image", "weight"], ["linear"])
    last = helper.make_node("Relu", ["linear"], ["out"])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 16, 16])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph([node, last], "one", [image], [out], [weight]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.save(model, tmp_path / "one.onnx")
    counted = operations(
        plain_graph(tmp_path / "one.onnx", tmp_path / "plain.onnx"), {"image": np.ones((images, 3, 16, 16), np.float32)}
    )
    assert counted.nodes == 1
    assert counted.gflop == pytest.approx(2 * images * products / 1e9, abs=1e-4)
