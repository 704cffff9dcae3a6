"""Nodes are brought into the order that ONNX asks for, and otherwise left alone."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from nnc.errors import InputError
from nnc.runtimes.onnx_model.files import load_model
from nnc.runtimes.onnx_model.node_order import sort_nodes


def chain(order):
    """Nodes 0 to 5, each a Relu of the one before, listed in ``order``."""
    nodes = [helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"], f"n{i}") for i in range(6)]
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [nodes[i] for i in order],
        "chain",
        [value("t0", TensorProto.FLOAT, ["n", 1, 4, 4])],
        [value("t6", TensorProto.FLOAT, ["n", 1, 4, 4])],
    )


@given(st.permutations(range(6)))
def test_any_order_becomes_the_right_one(order) -> None:
    graph = chain(order)
    sort_nodes(graph)
    assert [node.name for node in graph.node] == [f"n{i}" for i in range(6)]


def test_what_is_in_order_keeps_its_places() -> None:
    graph = chain(range(6))
    graph.node.insert(2, helper.make_node("Relu", ["t0"], ["side"], "side"))
    before = graph.SerializeToString()
    sort_nodes(graph)
    assert graph.SerializeToString() == before


def test_a_cast_of_the_input_may_stand_last(tmp_path) -> None:
    model = helper.make_model(chain((1, 2, 3, 4, 5, 0)))
    onnx.save(model, tmp_path / "late.onnx")
    assert load_model(tmp_path / "late.onnx").graph.node[0].name == "n0"


def test_what_an_inner_graph_reads_comes_first() -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["late"], ["inner"], "inside")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    graph = chain(range(6))
    choice = helper.make_node(
        "If", ["yes"], ["chosen"], "choice", then_branch=branch, else_branch=branch
    )
    graph.node.insert(0, choice)
    graph.node.append(helper.make_node("Relu", ["t6"], ["late"], "late"))
    sort_nodes(graph)
    names = [node.name for node in graph.node]
    assert names.index("late") < names.index("choice")


def test_a_circle_is_refused(tmp_path) -> None:
    graph = chain(range(6))
    graph.node[0].input[0] = "t3"
    onnx.save(helper.make_model(graph), tmp_path / "circle.onnx")
    with pytest.raises(InputError, match=r"'n0' \(Relu\) reads 't3', which nothing makes"):
        load_model(tmp_path / "circle.onnx")
