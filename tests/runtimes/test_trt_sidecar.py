"""The sidecar: read back as it was written, and refused in one line where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.runtimes.trt_sidecar import SCHEMA_VERSION, Sidecar, read_sidecar, sidecar_path

sizes = st.integers(1, 64)


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


@given(batch=st.tuples(sizes, sizes, sizes), targets=st.lists(sizes, min_size=1), gpu=st.text())
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
