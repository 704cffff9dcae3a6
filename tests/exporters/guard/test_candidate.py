"""A candidate written down is the same candidate read again; anything else is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.exporters.calibration import METHODS
from nnc.exporters.guard.candidate import FLOAT_WEIGHTS, TOOLS, Candidate
from nnc.exporters.guard.plan import Plan, read_plan

CANDIDATES = st.builds(
    Candidate,
    st.sampled_from(METHODS),
    st.floats(50, 100, exclude_min=True),
    st.lists(st.sampled_from(TOOLS)).map(tuple),
    st.lists(st.text(), unique=True).map(tuple),
    st.sampled_from(FLOAT_WEIGHTS),
) | st.just(Candidate(float_weights="int8", weights_only=True))


@given(CANDIDATES)
def test_a_candidate_survives_json(candidate: Candidate) -> None:
    assert Candidate.from_json(json.loads(json.dumps(candidate.to_json())), "x") == candidate


def test_a_plan_of_before_stored_weights_is_still_read() -> None:
    old = Candidate("mse").to_json()
    del old["float_weights"], old["weights_only"]
    assert Candidate.from_json(old, "x") == Candidate("mse")


def test_tools_are_in_the_order_of_their_application() -> None:
    assert Candidate(tools=("adaround", "equalise", "adaround")).tools == ("equalise", "adaround")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calibration": "guess"}, "unknown calibration 'guess'"),
        ({"percentile": 20}, "percentile 20: expected over 50"),
        ({"percentile": True}, "names no calibration and percentile"),
        ({"tools": ["magic"]}, "unknown tool 'magic'"),
        ({"tools": "equalise"}, "'tools' is no list of names"),
        ({"float_nodes": [1]}, "'float_nodes' is no list of names"),
        ({"float_weights": "int3"}, "unknown float_weights 'int3'"),
        ({"float_weights": 8}, "'float_weights' or 'weights_only' is no such"),
        ({"weights_only": True}, "plan.json: the plan's choice: weights_only: expected"),
        ({"float_nodes": ["a", "a"]}, "float_nodes: expected each name once"),
        ({"weights_only": 1}, "'float_weights' or 'weights_only' is no such"),
        ({"speed": 2}, "unknown key 'speed'"),
    ],
)
def test_what_is_no_candidate_is_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        Candidate.from_json({**Candidate().to_json(), **change}, "plan.json")


def test_a_plan_is_read_alone_and_inside_a_result(tmp_path) -> None:
    plan = Plan(Candidate("mse", float_nodes=("a", "b")), "12ab", "avx2")
    path = tmp_path / "plan.json"
    for value in (plan.to_json(), {"path": "x.onnx", "plan": plan.to_json()}):
        path.write_text(json.dumps(value))
        assert read_plan(path) == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "is no JSON"),
        ("\xff", "is no JSON"),
        ("[1]", "holds no plan"),
        ('{"plan": 3}', "holds no plan"),
        ('{"choice": {}, "schema_version": 9}', "has plan version 9; expected 1"),
        ('{"choice": 1, "schema_version": 1}', "choice is no object"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, text, message) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_plan(path)
