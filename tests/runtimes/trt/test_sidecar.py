"""The sidecar: read back as it was written, and refused in one line where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.runtimes.base import TensorSpec
from nnc.runtimes.trt.sidecar import SCHEMA_VERSION, Sidecar, read_sidecar, sidecar_path

sizes = st.integers(1, 64)
capabilities = st.lists(st.integers(10, 999), min_size=1, max_size=64)


def test_it_stands_beside_the_engine():
    assert sidecar_path(Path("a/b.engine")) == Path("a/b.engine.json")


def test_it_is_read_back_as_written(net, tmp_path):
    engine = tmp_path / "a.engine"
    own = net.sidecar_of(b"plan")
    own.write(sidecar_path(engine))
    assert read_sidecar(engine) == own
    values = json.loads(sidecar_path(engine).read_text())
    assert values["schema_version"] == SCHEMA_VERSION
    assert values["card"]["labels"] == ["dark", "middle", "bright"]
    assert values["inputs"] == [{"name": "x", "dtype": "float32", "shape": [None, 1, 8, 8]}]


@settings(max_examples=30)
@given(batch=st.tuples(sizes, sizes, sizes), targets=capabilities, gpu=st.text())
def test_any_values_survive(net, batch, targets, gpu):
    own = net.sidecar_of(b"", batch=tuple(sorted(batch)), targets=tuple(targets), gpu=gpu)
    assert Sidecar.from_json(json.loads(own.to_text()), "a") == own


def test_no_sidecar_is_none(tmp_path):
    assert read_sidecar(tmp_path / "a.engine") is None


def test_it_is_not_replaced_unasked(net, tmp_path):
    path = tmp_path / "a.engine.json"
    path.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        net.sidecar_of(b"").write(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "no readable sidecar"),
        ("[]", "damaged sidecar"),
        ("[" * 100_000, "no readable sidecar"),
        ('{"schema_version": 99}', "schema 99, this nnc reads up to 1; update nnc"),
        ('{"schema_version": true}', "damaged sidecar"),
        ('{"schema_version": 0}', "damaged sidecar"),
        ('{"schema_version": 1' + 4000 * "0" + "}", "schema 10+[.]{3}, this nnc"),
        ('{"schema_version": 1' + 5000 * "0" + "}", "no readable sidecar"),
        ('{"schema_version": 1}', "damaged sidecar"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, text, message):
    (tmp_path / "a.engine.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_sidecar(tmp_path / "a.engine")
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("a.engine.json") == 1


@pytest.mark.parametrize("value", [[], {}, "x", -1.5, True], ids=str)
def test_a_field_of_another_kind_is_one_line(net, value):
    good = net.sidecar_of(b"", capability=89).to_json()
    for key in set(good) - {"build_seconds", "schema_version"}:
        if isinstance(value, type(good[key])):
            continue
        with pytest.raises(InputError) as caught:
            Sidecar.from_json({**good, key: value}, "a.engine.json")
        assert str(caught.value).startswith("a.engine.json: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch", [1, 10**400, 10**401], "batch sizes"),
        ("batch", [1, 1], "expected three numbers, found 2"),
        ("targets", [10**4000], r"compute capability 10+\.\.\.: expected"),
        ("targets", [-5], "compute capability -5"),
        ("flavour", "lean", "flavour 'lean': expected one of tensorrt, rtx"),
        ("precision", "\x1b[31mred", r"precision '\\x1b\[31mred': expected one of int8"),
        ("version", "1.7\n2", r"version '1\.7\\n2': expected numbers"),
        ("engine_sha256", "0" * 63, "engine_sha256: expected 64 hexadecimal digits"),
        ("parameters", -1, "parameters -1: expected none or more"),
        ("nonzero_parameters", 10**30, "nonzero_parameters 10+: expected"),
        ("inputs", [], "no inputs; an engine has one at least"),
        ("outputs", [{"name": "y", "dtype": "float32", "shape": [-3]}], "impossible shape"),
        (
            "layers",
            [{"name": "a", "op": "Conv", "precision": "int4", "why": ""}],
            "precision 'int4'",
        ),
        ("build_seconds", "nan", "build_seconds: expected a number, found str"),
        ("build_seconds", True, "build_seconds: expected a number, found bool"),
        ("build_seconds", float("inf"), "build_seconds inf: expected a duration"),
        ("build_seconds", 10**400, "damaged sidecar"),
    ],
    ids=lambda value: None if isinstance(value, (int, list)) else str(value)[:20],
)
def test_an_impossible_value_is_one_line(net, field, value, message):
    good = net.sidecar_of(b"").to_json()
    with pytest.raises(InputError, match=message) as caught:
        Sidecar.from_json({**good, field: value}, "a.engine.json")
    text = str(caught.value)
    assert text.startswith("a.engine.json: ")
    assert text.isprintable()
    assert len(text) < 200


def test_a_missing_field_is_named(net):
    for key in net.sidecar_of(b"").to_json():
        values = net.sidecar_of(b"").to_json()
        del values[key]
        with pytest.raises(InputError, match=f"a.json: damaged sidecar .no '{key}'"):
            Sidecar.from_json(values, "a.json")


@pytest.mark.parametrize(
    "changes",
    [{"batch": (0, 1, 2)}, {"batch": (4, 2, 8)}, {"batch": (1, 2)}, {"targets": ()}],
    ids=str,
)
def test_impossible_engines_are_refused(net, changes):
    with pytest.raises(InputError, match=r"batch sizes|needs the GPU"):
        net.sidecar_of(b"", **changes)


def test_targets_are_told_once_and_are_not_without_number(net):
    own = net.sidecar_of(b"", targets=(89,) * 200_000 + (86,))
    assert own.targets == (89, 86)
    with pytest.raises(InputError, match="100 targets: expected 64 at most"):
        net.sidecar_of(b"", targets=tuple(range(10, 110)))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float16", (None, 1, 8, 8)),
        ("float32", (None, 3, 8, 8)),
        ("float32", (None, 1, 8, 9)),
        ("float32", (None, 64)),
    ],
)
def test_inputs_that_take_other_images_than_the_card_says_are_refused(net, dtype, shape):
    with pytest.raises(InputError, match=r"takes no images of its card, float32 \[N, 1, 8, 8\]"):
        net.sidecar_of(b"", inputs=(TensorSpec("x", dtype, shape),))
    net.sidecar_of(b"", inputs=(TensorSpec("x", "float32", (4, 1, None, None)),))
