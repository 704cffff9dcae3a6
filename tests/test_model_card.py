"""The card: what it holds, what it writes, and which damaged metadata it refuses."""

from __future__ import annotations

import json
import math

import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard, Stage

CARD = ModelCard(
    InputSpec(1, 28, 28, (0.5,), (0.25,)),
    ("a", "b"),
    architecture="tiny",
    macs=2**63 - 1,
    history=(
        Stage("train", {"seed": 2**64 - 1, "data": "mini"}, {"rounds": [{"loss": 0.5}]}, "x"),
    ),
    parent_sha256="ab",
)


def stage(**fields: object) -> str:
    return json.dumps([{"stage": "x", "settings": {}, "results": {}, **fields}])


def test_a_card_comes_back_as_it_was():
    assert ModelCard.from_properties(CARD.to_properties(), "file") == CARD
    assert CARD.data == "mini"
    assert ModelCard.from_properties({"other": "{"}, "file") is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *[("schema_version", text) for text in ("1e999", "[]", '"1"', "true", "1.5", "0", "NaN")],
        *[("macs", text) for text in ("1" + "0" * 4000, "-5", str(2**63), "1.5", '"7"', "true")],
        *[("labels", text) for text in ('"abcdefghij"', "[1, 2]", '{"a": 1, "b": 2}', '["a"]')],
        ("labels", json.dumps(["a", "b" * 1001])),
        ("history", '[{"stage": "x", "settings": {"a": NaN}, "results": {}}]'),
        ("history", '[{"stage": "x", "settings": {}, "results": {"a": -Infinity}}]'),
        ("history", '[{"stage": "x", "settings": {}, "results": {"a": 1e999}}]'),
        ("history", stage(results={"a": 10**30})),
        ("history", stage(stage=3)),
        ("history", stage(settings=[])),
        ("history", stage(results=None)),
        ("history", stage(command=[])),
        ("history", '{"a": 1}'),
        ("history", "[[]]"),
        ("history", '[{"stage": "x"}]'),
        ("history", "[" * 65 + "]" * 65),
        ("history", "[" * 100_000),
        ("architecture", "5"),
        ("parent_sha256", "[]"),
        ("input", '{"channels": 1, "height": 1e999, "width": 28}'),
        ("input", '{"channels": true, "height": 28, "width": 28}'),
        ("input", '{"channels": 1, "height": 28}'),
        ("input", "[]"),
        ("normalisation", '{"mean": "0", "std": [1]}'),
        ("normalisation", '{"mean": [0], "std": [1e-320]}'),
        ("normalisation", '{"mean": [NaN], "std": [1]}'),
        ("normalisation", '{"mean": ["0"], "std": [1]}'),
    ],
    ids=lambda text: text[:40],
)
def test_damaged_metadata_is_refused_in_one_line(key, text):
    properties = {**CARD.to_properties(), f"nnc.{key}": text}
    with pytest.raises(InputError, match=r"^net\.onnx: ") as caught:
        ModelCard.from_properties(properties, "net.onnx")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_newer_schema_says_to_update():
    properties = {**CARD.to_properties(), "nnc.schema_version": "99"}
    with pytest.raises(InputError, match="metadata schema 99, this nnc reads up to 1; update nnc"):
        ModelCard.from_properties(properties, "file")


def test_a_card_that_could_not_be_read_back_is_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        CARD.then(Stage("x", {}, {"loss": math.nan})).to_properties()


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (0.5, 1e-320, "expected numbers above 0, 1e-06 at least"),
        (0.5, -1.0, "expected numbers above 0"),
        (0.5, math.inf, r"expected 1 finite number\(s\)"),
        (1e7, 1.0, r"expected 1 finite number\(s\), one a channel, 1000000 at most"),
        (-(10**400), 1.0, "finite"),
        (math.nan, 1.0, "finite"),
    ],
    ids=["denormal", "negative", "infinite", "far", "huge", "nan"],
)
def test_a_normalisation_that_cannot_be_computed_is_refused(mean, std, message):
    with pytest.raises(InputError, match=message):
        InputSpec(1, 28, 28, (mean,), (std,))


def test_only_a_network_of_another_tool_is_without_labels():
    card = ModelCard(CARD.input, ())
    assert ModelCard.from_properties(card.to_properties(), "file") == card
    for labels in ((), ("a",)):
        with pytest.raises(InputError, match=f"{len(labels)} class label"):
            ModelCard(CARD.input, labels, architecture="mobilenet")
    with pytest.raises(InputError, match="1 class label"):
        ModelCard(CARD.input, ("a",))


def test_too_many_labels_are_refused():
    with pytest.raises(InputError, match="1000001 class label"):
        ModelCard(CARD.input, ("a",) * 1_000_001)
