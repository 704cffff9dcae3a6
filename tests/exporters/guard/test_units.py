"""What is int8 or float as a whole, and what goes with it."""

from __future__ import annotations

from nnc.exporters.guard.units import closed, find_units
from nnc.exporters.int8.input import prepare

from ..conftest import tiny_model


def test_a_layer_and_its_activation_are_one_unit() -> None:
    units = find_units(prepare(tiny_model(), "tiny"))
    assert [(unit.name, unit.nodes) for unit in units] == [
        ("a", ("a", "relu")),
        ("d", ("d", "clip")),
        ("add", ("add",)),
        ("mean", ("mean",)),
        ("fc", ("fc",)),
    ]
    assert units[0].output == "b"


def test_what_only_joins_float_layers_becomes_float() -> None:
    model = prepare(tiny_model(), "tiny")
    assert closed(model, {"a", "relu"}) == ("a", "relu")
    found = closed(model, {"a", "relu", "d", "clip"})
    assert found == ("a", "relu", "d", "clip")  # the pool is read by an int8 sum, too
    assert closed(model, {"a", "relu", "d", "clip", "add"}) == (
        "a",
        "relu",
        "pool",
        "d",
        "clip",
        "add",
    )
