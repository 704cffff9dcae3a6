"""Which layers multiply integers, by what the file says: every way to write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.runtimes.onnx_model.graph import read_graph

onnx = pytest.importorskip("onnx")
make = onnx.helper.make_node

INPUTS = 64
"""Values of an image; each layer here is a matrix product of as many by as many."""

FORMS = {
    "float": False,
    "quantised": True,
    "signed": True,
    "no zero point": True,
    "transposed": True,
    "float weights between borders": True,
    "integers moved": True,
    "operator": True,
    "dynamic": True,
    "weights alone": False,
    "weights cast": False,
    "input alone": False,
    "16 bits": False,
}
"""How a layer may be written, and whether it is int8."""


class Writer:
    """Writes layers one after another, each in a form of its own."""

    def __init__(self):
        self.nodes, self.constants = [make("Flatten", ["x"], ["t"])], {}
        self.last = "t"

    def constant(self, value) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **settings) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(make(op, list(inputs), [name], domain=domain, **settings))
        return name

    def integers(self, value: str, kind=np.uint8) -> list[str]:
        scale, zero = self.constant(np.float32(0.1)), self.constant(kind(3))
        return [self.node("QuantizeLinear", value, scale, zero), scale, zero]

    def rounded(self, value: str, kind=np.uint8) -> str:
        return self.node("DequantizeLinear", *self.integers(value, kind))

    def weight(self, kind=np.int8) -> list[str]:
        values = np.arange(INPUTS * INPUTS).reshape(INPUTS, INPUTS) % 7
        return [
            self.constant(values.astype(kind)),
            self.constant(np.float32(0.1)),
            self.constant(kind(0)),
        ]

    def layer(self, form: str) -> None:
        x = self.last
        full = self.constant(np.ones((INPUTS, INPUTS), np.float32))
        if form == "quantised":
            weight = self.node("DequantizeLinear", *self.weight())
            self.last = self.node("MatMul", self.rounded(x), weight)
        elif form == "signed":
            weight = self.node("DequantizeLinear", *self.weight(np.uint8))
            self.last = self.node("Gemm", self.rounded(x, np.int8), weight)
        elif form == "no zero point":
            scale = self.constant(np.float32(0.1))
            read = self.node("DequantizeLinear", self.node("QuantizeLinear", x, scale), scale)
            weight = self.node("DequantizeLinear", *self.weight()[:2])
            self.last = self.node("MatMul", read, weight)
        elif form == "transposed":
            weight = self.node("Transpose", self.node("DequantizeLinear", *self.weight()))
            self.last = self.node("MatMul", self.node("Identity", self.rounded(x)), weight)
        elif form == "float weights between borders":
            self.last = self.node("MatMul", self.rounded(x), self.rounded(full, np.int8))
        elif form == "integers moved":
            integers, scale, _ = self.integers(x)
            read = self.node("DequantizeLinear", self.node("Relu", integers), scale)
            self.last = self.node("MatMul", read, self.node("DequantizeLinear", *self.weight()))
        elif form == "operator":
            made = [*self.integers(x), *self.weight()]
            scale, zero = self.constant(np.float32(0.1)), self.constant(np.uint8(0))
            made = self.node("QLinearMatMul", *made, scale, zero)
            # The Relu computes in float, and so does what reads it alone.
            self.last = self.node("Relu", self.node("DequantizeLinear", made, scale, zero))
        elif form == "dynamic":
            names = [f"d{len(self.nodes)}_{index}" for index in range(3)]
            self.nodes.append(make("DynamicQuantizeLinear", [x], names))
            weight = self.weight()
            product = self.node("MatMulInteger", names[0], weight[0], names[2])
            self.last = self.node("Cast", product, to=onnx.TensorProto.FLOAT)
        elif form == "weights alone":
            self.last = self.node("MatMul", x, self.node("DequantizeLinear", *self.weight()))
        elif form == "weights cast":
            integers, scale, _ = self.weight()
            cast = self.node("Cast", integers, to=onnx.TensorProto.FLOAT)
            self.last = self.node("MatMul", self.rounded(x), self.node("Mul", cast, scale))
        elif form == "input alone":
            self.last = self.node("MatMul", self.rounded(x), full)
        elif form == "16 bits":
            weight = self.node("DequantizeLinear", *self.weight())
            self.last = self.node("MatMul", self.rounded(x, np.uint16), weight)
        else:
            self.last = self.node("MatMul", x, full)

    def model(self, net):
        self.nodes.append(make("Identity", [self.last], ["y"]))
        model = net.wrap(self.nodes, self.constants)
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = INPUTS
        return model


def layers_of(net, forms):
    writer = Writer()
    for form in forms:
        writer.layer(form)
    return read_graph(writer.model(net)).layers


@pytest.mark.parametrize("form", FORMS)
def test_each_form(net, form):
    (layer,) = layers_of(net, [form])
    assert layer.int8 is FORMS[form]
    assert layer.macs == INPUTS * INPUTS


@settings(max_examples=60, deadline=None)
@given(forms=st.lists(st.sampled_from(list(FORMS)), min_size=1, max_size=6))
def test_layers_of_all_forms_in_one_graph(net, forms):
    assert [layer.int8 for layer in layers_of(net, forms)] == [FORMS[form] for form in forms]


def test_borders_that_make_themselves_do_not_hold_up_the_reading(net):
    nodes = [
        make("Identity", ["a"], ["a"]),
        make("MaxPool", ["b"], ["b"]),
        make("DequantizeLinear", ["b", "s"], ["c"]),
        make("MatMul", ["a", "c"], ["y"]),
    ]
    (layer,) = read_graph(net.wrap(nodes, {"s": np.float32(1)})).layers
    assert not layer.int8
