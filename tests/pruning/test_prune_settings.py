"""What `nnc prune` is told is checked before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnc.errors import InputError
from nnc.toolchain.pruning import PruneSettings
from nnc.toolchain.pruning.schedule import SCHEDULES
from nnc.toolchain.pruning.table import read_table
from nnc.toolchain.pruning.targets import Target, amount


def settings(sensitivity: float | None = 0.4, **changes: object) -> PruneSettings:
    return PruneSettings.for_network("mobilenet", sensitivity, **changes)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_sensitivity_out_of_range(value: float) -> None:
    with pytest.raises(InputError, match="expected a fraction from 0"):
        settings(value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recover": "rewind"}, "finetune or reinit"),
        ({"iterations": 0}, "1 to 1000"),
        ({"schedule": "quadratic"}, "schedule 'quadratic': expected one-shot, linear, cubic"),
        ({"patience": 0}, "patience 0: expected 1 to 10000"),
        ({"method": "magic"}, "pruning method 'magic': expected paper"),
        ({"criterion": "magic"}, "criterion 'magic': expected l1"),
        ({"scope": "world"}, "scope 'world': expected layer or global"),
        ({"round_to": 8}, "only the channel method"),
        ({"target_macs": 0.5}, "found sensitivity and target_macs"),
        ({"sensitivity": None}, "found none"),
        ({"sensitivity": None, "table": {}}, "names no layer"),
        ({"sensitivity": None, "table": {"a": 1.5}}, "table: a 1.5: expected a fraction"),
        ({"sensitivity": None, "table": {"a": "x"}}, "table: a 'x': expected a fraction"),
        ({"sensitivity": None, "table": {"a": 0.5}, "scope": "global"}, "leave one of them out"),
        ({"sensitivity": None, "target_macs": 0.0}, "target_macs = 0: expected a number above 0"),
        ({"sensitivity": None, "target_parameters": float("inf")}, "target_parameters = inf"),
    ],
)
def test_wrong_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(**changes)


def test_channels_are_rounded_unless_told_otherwise() -> None:
    assert settings().round_to == 1
    assert settings(method="channel").round_to == 8
    assert settings(method="channel", round_to=1).round_to == 1


def test_schedules_end_where_they_should() -> None:
    for share in SCHEDULES.values():
        assert share(1.0) == 1.0
    assert [SCHEDULES["linear"](n / 4) for n in (1, 2, 3)] == [0.25, 0.5, 0.75]
    assert [SCHEDULES["cubic"](n / 2) for n in (1,)] == [0.875]
    assert SCHEDULES["one-shot"](0.01) == 1.0


def test_fractions_follow_the_schedule() -> None:
    assert settings(0.4).fractions(0.5) == pytest.approx(0.2)
    assert settings(None, table={"a": 0.4, "b": 0.8}).fractions(0.5) == {"a": 0.2, "b": 0.4}
    assert settings(None, target_macs=0.5).fractions(0.5, 0.6) == pytest.approx(0.3)


def test_json_says_everything_once() -> None:
    values = settings(None, target_macs=0.5, method="channel", schedule="cubic").to_json()
    assert values["pruning_schedule"] == "cubic"
    assert values["schedule"] == "cosine"
    assert values["criterion"] == "l2"
    assert "sensitivity" not in values
    json.dumps(values)


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("1.1M", 1.1e6), ("815k", 815e3), ("2G", 2e9), ("7", 7.0)]
)
def test_amounts(text: str, value: float) -> None:
    assert amount(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "M", "-1", "1.1MB", "nan", "half"])
def test_wrong_amounts(text: str) -> None:
    with pytest.raises(InputError, match="expected a number, as in"):
        amount(text)


def test_a_target_up_to_one_is_a_fraction() -> None:
    assert Target("macs", 0.5).limit(200.0) == 100.0
    assert Target("macs", 1.0).limit(200.0) == 200.0
    assert Target("parameters", 150.0).limit(200.0) == 150.0
    assert Target("latency_ms", 0.5).limit(200.0) == 0.5


@pytest.mark.parametrize("kind", ["macs", "parameters"])
def test_a_count_with_a_fraction_is_no_count(kind: str) -> None:
    with pytest.raises(InputError, match=rf"target_{kind} = 1\.5: .* did you mean 1\.5M\?"):
        Target(kind, 1.5)
    assert Target("latency_ms", 1.5).limit(1.0) == 1.5


def test_a_table_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('{"features.0.0": 0.25, "classifier.1": 0}')
    assert read_table(path) == {"features.0.0": 0.25, "classifier.1": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[0.5]", "expected a JSON object such as"),
        ("{}", "expected a JSON object such as"),
        ('{"a": 1}', "a: 1; expected a fraction"),
        ('{"a": true}', "a: True; expected a fraction"),
        ('{"a": "0.5"}', "a: '0.5'; expected a fraction"),
        ('{"a": NaN}', "a: nan; expected a fraction"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(path)
