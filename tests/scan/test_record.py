"""What a scan measures, what it keeps, and the table that it reads off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnc.errors import InputError
from nnc.toolchain.scan import ScanSettings
from nnc.toolchain.scan.points import ALL_IMAGES, REFERENCE, WHOLE, Measured, Point, plan
from nnc.toolchain.scan.record import Record

FACTS = {"checkpoint": "x.safetensors", "data": "d", "images": 200, "all_images": 1000}
PARTS = {"a": 8, "b.0": 16}


def _record(**settings) -> Record:
    record = Record(ScanSettings(sensitivities=(0.2, 0.4, 0.6), **settings), FACTS)
    record.parts = dict(PARTS)
    return record


def _measure(record: Record, name: str, *accuracies: float, epochs: int = 0) -> None:
    for sensitivity, accuracy in zip(record.settings.sensitivities, accuracies, strict=False):
        record.add(Point(name, sensitivity, epochs), Measured(accuracy, 7))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sensitivities": (0.5, 0.2)}, "rising"),
        ({"sensitivities": (0.0, 0.2)}, "between 0 and 1"),
        ({"sensitivities": (1.0,)}, "between 0 and 1"),
        ({"sensitivities": (float("nan"),)}, "between 0 and 1"),
        ({"sensitivities": ()}, "expected 1 to 100"),
        ({"method": "nonsense"}, "nonsense"),
        ({"method": "paper", "criterion": "nonsense"}, "nonsense"),
        ({"part": "training"}, "validation or test"),
        ({"images": 0}, "images = 0"),
        ({"max_drop": -1.0}, "max_drop"),
        ({"recover": "hope"}, "hope"),
        ({"epochs": -1}, "epochs"),
        ({"patience": 0}, "patience"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(settings, message) -> None:
    with pytest.raises(InputError, match=message) as raised:
        ScanSettings(**settings)
    assert "\n" not in str(raised.value)


def test_the_plan_holds_every_layer_at_every_sensitivity_and_one_reference() -> None:
    points = plan(ScanSettings(sensitivities=(0.2, 0.4)), PARTS)
    assert points[0] == Point(REFERENCE)
    assert {(p.name, p.sensitivity) for p in points[1:]} == {
        (name, s) for name in (WHOLE, "a", "b.0") for s in (0.2, 0.4)
    }
    assert len(points) == 7
    assert Point("a", 0.2).fractions(PARTS) == {"a": 0.2, "b.0": 0.0}
    assert Point(WHOLE, 0.2).fractions(PARTS) == 0.2


def test_retrained_points_come_first_and_have_a_reference_on_all_images() -> None:
    points = plan(ScanSettings(sensitivities=(0.2, 0.4), epochs=3), PARTS)
    assert points[:4] == [
        Point(REFERENCE), Point(ALL_IMAGES), Point(WHOLE, 0.4, 3), Point(WHOLE, 0.2, 3)
    ]  # fmt: skip
    assert all(not point.on_all_images for point in points[4:])


def test_the_table_stops_at_the_first_drop_that_is_too_large() -> None:
    record = _record(max_drop=1.0)
    record.add(Point(REFERENCE), Measured(0.9, 9))
    _measure(record, "a", 0.895, 0.85, 0.9)  # recovers by luck; 0.4 already lost 5 points
    _measure(record, "b.0", 0.95, 0.89, 0.88)  # 0.4 costs one point to the dot
    assert record.table() == {"a": 0.2, "b.0": 0.4}
    record.add(Point("a", 0.2), Measured(0.5, 7))
    assert record.table()["a"] == 0.0


def test_drops_of_retrained_points_are_against_all_images() -> None:
    record = _record(layer_epochs=2)
    record.add(Point(REFERENCE), Measured(0.5, 9))
    record.add(Point(ALL_IMAGES), Measured(0.9, 9))
    _measure(record, "a", 0.895, epochs=2)
    assert record.drop(Point("a", 0.2, 2)) == pytest.approx(0.5)
    assert record.table()["a"] == 0.2


def test_half_a_record_is_read_back_and_the_rest_is_left(tmp_path: Path) -> None:
    record = _record()
    record.add(Point(REFERENCE), Measured(0.9, 9))
    _measure(record, "a", 0.8, 0.7)
    path = tmp_path / "scan.json"
    record.save(path)
    assert json.loads(path.read_text())["complete"] is False
    again = Record(record.settings, FACTS)
    assert again.resume(path)
    assert again.parts == PARTS
    assert set(again.left()) == {
        *(Point(name, s) for name in (WHOLE, "b.0") for s in (0.2, 0.4, 0.6)), Point("a", 0.6)
    }  # fmt: skip
    assert again.to_json() == record.to_json()


def test_a_finished_record_is_complete_only_with_its_table_measured(tmp_path: Path) -> None:
    record = _record()
    record.add(Point(REFERENCE), Measured(0.9, 9))
    for name in (WHOLE, *PARTS):
        _measure(record, name, 0.9, 0.9, 0.9)
    assert (record.left(), record.complete) == ([], False)
    record.add(record.table_point, Measured(0.3, 5))
    assert record.complete
    record.save(tmp_path / "scan.json")
    again = Record(record.settings, FACTS)
    assert again.resume(tmp_path / "scan.json")
    assert again.complete
    assert again.to_json()["layers"]["table"] == {"a": 0.6, "b.0": 0.6}


def test_a_record_of_other_settings_or_another_checkpoint_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "scan.json"
    _record().save(path)
    assert not Record(ScanSettings(sensitivities=(0.2, 0.4, 0.7)), FACTS).resume(path)
    other = Record(_record().settings, {**FACTS, "checkpoint": "y.safetensors"})
    assert not other.resume(path)
    assert Record(_record(device="cpu").settings, FACTS).resume(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1}', "\x00", '"x"'])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scan.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"scan\.json"):
        _record().resume(path)
