from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.errors import InputError
from nnc.exporters.calibration import observe
from nnc.exporters.executed.explain import explain
from nnc.exporters.executed.graph import executed_graph
from nnc.exporters.int8.input import prepare
from nnc.exporters.profiles import PROFILES
from nnc.exporters.qdq.insert import complete_ranges, insert_qdq, tensors_to_observe

from ..conftest import run_onnx, sqnr, tiny_model

AVX2 = PROFILES["avx2"]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def images(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def quantised(model, batch):
    prepared = prepare(model, "model.onnx")
    names = tensors_to_observe(prepared)
    seen = observe(prepared, names, lambda: iter([batch]), ["minmax"], AVX2.grid, threads=1)
    return insert_qdq(prepared, complete_ranges(prepared, seen.ranges("minmax")), AVX2)


@pytest.mark.parametrize(
    "name",
    [
        *("inception_v1", "inception_v2", "squeezenet"),
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("bvlc_alexnet", "densenet121")),
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("resnet50", "shufflenet", "zfnet512")),
    ],
)
def test_onnx_own_small_models_go_through(name):
    """Real structures of old exporters: opset 9, weights made by ConstantOfShape."""
    path = LIGHT / f"light_{name}.onnx"
    if not path.exists():
        pytest.skip("this onnx package carries no light models")
    model = onnx.load(path)
    made = quantised(model, images((1, 3, 224, 224)))
    explanation = explain(made, executed_graph(made))
    left = Counter(node.op for node in explanation.nodes if not node.int8)
    assert set(left) <= {"LRN", "Softmax", "Reshape"}
    assert explanation.int8_mac_share == 1.0


def test_dynamic_height_and_width():
    model = tiny_model()
    for dim, name in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], "hw", strict=True):
        dim.dim_param = name
    made = quantised(model, images((8, 1, 8, 8)))
    other = images((4, 1, 12, 10), seed=1)
    assert sqnr(run_onnx(tiny_model_of(model), other), run_onnx(made, other)) > 15


def tiny_model_of(model):
    """The tiny network with the input of ``model``."""
    fresh = tiny_model()
    fresh.graph.input[0].CopyFrom(model.graph.input[0])
    return fresh


def test_several_outputs_are_all_kept():
    model = tiny_model()
    model.graph.output.append(
        helper.make_tensor_value_info("f", TensorProto.FLOAT, ["batch", 16, 4, 4])
    )
    reference = onnx.ModelProto()
    reference.CopyFrom(model)
    batch = images((8, 1, 8, 8))
    made = quantised(model, batch)
    onnx.checker.check_model(made, full_check=True)
    assert [value.name for value in made.graph.output] == ["logits", "f"]
    import onnxruntime as ort

    for name in ("logits", "f"):
        outputs = [
            ort.InferenceSession(m.SerializeToString()).run([name], {"input": batch})[0]
            for m in (reference, made)
        ]
        assert sqnr(*outputs) > 20


def unknown_operator(model):
    model.graph.node[1].op_type = "MadeUp"
    model.graph.node[1].domain = "my.own"
    model.opset_import.add(domain="my.own", version=1)


def half_weights(model):
    weight = model.graph.initializer[0]
    values = numpy_helper.to_array(weight).astype(np.float16)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def infinite_weights(model):
    weight = model.graph.initializer[0]
    values = numpy_helper.to_array(weight).copy()
    values.flat[3] = np.inf
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def no_input(model):
    del model.graph.input[:]


def second_opset(model):
    model.opset_import.add(domain="ai.onnx", version=13)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (unknown_operator, InputError, r"ONNX Runtime cannot run it: .*MadeUp"),
        (half_weights, InputError, r"'a.weight' is float16; expected a float32 model"),
        (infinite_weights, InputError, r"tensor 'a.weight' holds NaN or infinite"),
        (no_input, InputError, r"has 0 inputs \(none\)"),
        (second_opset, InputError, r"imports the ONNX operators 2 times"),
    ],
)
def test_what_cannot_be_quantised_is_said_in_one_line(change, error, message):
    model = tiny_model()
    change(model)
    with pytest.raises(error, match=message) as caught:
        quantised(model, images((2, 1, 8, 8)))
    assert "\n" not in str(caught.value)


def test_a_model_over_two_gigabytes(monkeypatch):
    monkeypatch.setattr("nnc.runtimes.onnx_model.files.LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match=r"takes \d+ bytes with its external data"):
        prepare(tiny_model(), "model.onnx")


def test_every_node_gets_a_name_of_its_own():
    model = tiny_model()
    for node in model.graph.node:
        node.name = "" if node.op_type == "Conv" else "same"
    names = [node.name for node in prepare(model, "model.onnx").graph.node]
    assert len(set(names)) == len(names)
    assert "" not in names
    assert "same" in names
