"""Q/DQ files that were made earlier or elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from nnc.errors import InputError
from nnc.exporters.int8.input import prepare
from nnc.exporters.profiles import PROFILES
from nnc.exporters.qdq.insert import complete_ranges
from nnc.exporters.qdq.insert import insert_qdq as insert_for_cpu
from nnc.exporters.trt.explicit import is_quantised, prepare_explicit
from nnc.exporters.trt.float_weights import with_float_weights
from nnc.exporters.trt.half import in_half

from ..conftest import run_onnx, sqnr, tiny_model
from ..qdq.test_insert import observed
from .test_qdq import X, both


@pytest.mark.parametrize(("profile", "what"), [("avx2", "uint8"), ("arm64", "zero point|int32")])
def test_int8_for_a_cpu_is_refused(profile, what) -> None:
    prepared = prepare(tiny_model(), "model.onnx")
    ranges = complete_ranges(prepared, observed(prepared, X))
    model = insert_for_cpu(prepared, ranges, PROFILES[profile])
    assert is_quantised(model)
    with pytest.raises(InputError, match=rf"net\.onnx.*({what}).*float model it was made from"):
        prepare_explicit(model, "net.onnx")


def test_ones_own_is_taken() -> None:
    prepared, model = both(tiny_model(), X)
    assert not is_quantised(prepared)
    assert is_quantised(model)
    prepare_explicit(model, "net.onnx")


def test_float_weights_round_to_the_same_integers() -> None:
    _, model = both(tiny_model(), X)
    before = model.SerializeToString()
    wide = with_float_weights(model)
    assert model.SerializeToString() == before
    kinds = {t.name: numpy_helper.to_array(t).dtype for t in wide.graph.initializer}
    assert kinds["d.weight_quantized"] == np.float32
    np.testing.assert_array_equal(run_onnx(wide, X), run_onnx(model, X))


def test_scales_in_constant_nodes_are_taken() -> None:
    _, model = both(tiny_model(), X)
    expected = run_onnx(model, X)
    graph = model.graph
    single = [t for t in graph.initializer if t.name.endswith("scale") and not t.dims]
    assert single
    for tensor in single:
        value = float(numpy_helper.to_array(tensor))
        graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value_float=value))
        graph.initializer.remove(tensor)
    prepare_explicit(model, "net.onnx")
    assert not [node for node in graph.node if node.op_type == "Constant"]
    half = in_half(model, "net.onnx")
    assert sqnr(expected, run_onnx(half, X)) > 45


def test_a_file_that_does_not_state_its_opsets_is_refused() -> None:
    _, model = both(tiny_model(), X)
    model.graph.node[0].domain = "acme"
    with pytest.raises(InputError, match="of domain 'acme', which the file does not import"):
        prepare_explicit(model, "net.onnx")
    model.graph.node[0].domain = ""
    del model.opset_import[:]
    with pytest.raises(InputError, match="imports the ONNX operators 0 times"):
        prepare_explicit(model, "net.onnx")
