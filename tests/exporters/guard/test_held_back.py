"""Accuracy lost on held-back images: counted rightly, and only as long as it takes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from nnc.errors import InputError, NncError
from nnc.exporters.guard import held_back
from nnc.exporters.guard.drop import paired_drop
from nnc.exporters.guard.held_back import CHUNK, Judge
from nnc.model_card import InputSpec
from nnc.runtimes.accuracy.accuracy import TestPart
from nnc.runtimes.preprocess import normalise

from ..conftest import run_onnx, tiny_model

SPEC = InputSpec(1, 8, 8, (0.5,), (0.25,))


def part_of(images: np.ndarray, labels: np.ndarray, classes: int | None = 10) -> TestPart:
    def batches(spec: InputSpec):
        del spec
        for start in range(0, len(images), 70):
            yield images[start : start + 70], labels[start : start + 70]

    return TestPart(batches=batches, images=len(images), name="held back", classes=classes)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3 * CHUNK, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def answers(images) -> np.ndarray:
    return run_onnx(tiny_model(), normalise(images, SPEC)).argmax(axis=1)


def judge(images, labels, *, classes: int | None = 10, most: int = 10_000) -> Judge:
    part = part_of(images, labels, classes)
    return Judge(tiny_model(), part, SPEC, 10, simulated=False, threads=1, most_images=most)


def test_the_same_model_loses_nothing_and_is_believed_early(images, answers) -> None:
    found = judge(images, answers).drop(tiny_model(), 0.9)
    assert (found.lost, found.won, found.points) == (0, 0, 0.0)
    assert found.images == 2 * CHUNK  # the interval is under the limit by then
    assert found.low < 0 < found.high <= 0.9


def test_another_model_loses_what_it_answers_differently(images, answers) -> None:
    other = tiny_model(seed=3)
    changed = run_onnx(other, normalise(images, SPEC)).argmax(axis=1) != answers
    found = judge(images, answers).drop(other, 100)
    assert (found.lost, found.won) == (int(changed[: found.images].sum()), 0)
    assert found.points == pytest.approx(100 * changed[: found.images].mean())


def test_without_labels_changed_answers_are_counted(images, answers) -> None:
    unknown = judge(images, np.zeros(len(images), np.int64), classes=3)
    found = unknown.drop(tiny_model(seed=3), 0.0)
    assert not found.labelled
    assert found.lost > 0
    assert found.won == 0
    assert "answers changed" in str(found)


def test_labels_in_another_order_are_not_believed(images, answers, caplog) -> None:
    """A network that only guesses by these labels cannot lose accuracy, but its answers change."""
    shifted = judge(images, (answers + 1) % 10)
    found = shifted.drop(tiny_model(seed=3), 0.0)
    assert not found.labelled
    assert found.points > 0
    assert "classes may stand in another order" in caplog.text
    believed = judge(images, answers).drop(tiny_model(), 0.5)
    assert (believed.labelled, believed.float_top1) == (True, 1.0)


def two_outputs(seed: int = 0, scale: float = 1.0):
    """The network with its pooled features as a second output, times ``scale``."""
    model = tiny_model(seed=seed)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(scale), "scale"))
    model.graph.node.append(helper.make_node("Mul", ["h", "scale"], ["features"], "features"))
    model.graph.output.append(helper.make_tensor_value_info("features", 1, ["batch", 16]))
    return model


def test_outputs_beside_the_scores_are_looked_at(images, answers) -> None:
    part = part_of(images, answers)
    looking = Judge(two_outputs(), part, SPEC, 10, simulated=False, threads=1, most_images=1000)
    assert looking.drop(two_outputs(), 0.5).holds(0.5)
    ruined = looking.drop(two_outputs(scale=0.0), 0.5)
    assert (ruined.points, ruined.others) == (0.0, 1.0)
    assert not ruined.holds(0.5)
    assert "other outputs off by up to 100.0%" in str(ruined)


def test_a_first_output_that_is_no_scores_is_refused(images, answers) -> None:
    model = tiny_model()
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("e", 1, ["batch", 16, 4, 4]))
    with pytest.raises(InputError, match="no scores of classes"):
        judge(images, answers).drop(model, 0.5)


def test_divergence_is_zero_for_the_same_model_and_positive_for_another(images, answers) -> None:
    same = judge(images, answers)
    assert same.divergence(tiny_model()) == pytest.approx(0, abs=1e-9)
    assert same.divergence(tiny_model(seed=3)) > 0.1


def test_no_more_images_than_allowed(images, answers) -> None:
    assert judge(images, answers, most=120).drop(tiny_model(), 0.0).images == 120


def test_images_for_timing_are_repeated_where_too_few(images, answers) -> None:
    pixels = judge(images[:3], answers[:3]).pixels(5)
    assert np.array_equal(pixels[3:], images[:2])


def test_outputs_that_are_no_scores_are_refused(images, answers) -> None:
    bad = tiny_model()
    bad.graph.initializer[5].raw_data = np.full(10, np.nan, np.float32).tobytes()
    with pytest.raises(NncError, match="NaN or infinite on the held-back images"):
        judge(images, answers).drop(bad, 0.5)


def test_no_images_is_refused() -> None:
    with pytest.raises(InputError, match="no held-back images"):
        judge(np.zeros((0, 8, 8, 1), np.uint8), np.zeros(0, np.int64))


@given(st.integers(0, 400), st.integers(0, 400), st.integers(800, 5000))
def test_the_interval_holds_the_points(lost: int, won: int, images: int) -> None:
    found = paired_drop(lost, won, images)
    assert found.low <= found.points <= found.high
    assert found.points == pytest.approx(100 * (lost - won) / images)
    mirrored = paired_drop(won, lost, images)
    assert mirrored.low == pytest.approx(-found.high)


def test_the_interval_by_hand() -> None:
    # Agresti and Min: 12.5 - 2.5 = 10 of 1002; standard error sqrt(15 - 100/1002) / 1002.
    found = paired_drop(12, 2, 1000)
    spread = 2.5758293 * (15 - 100 / 1002) ** 0.5 / 1002
    assert found.low == pytest.approx(100 * (10 / 1002 - spread))
    assert found.high == pytest.approx(100 * (10 / 1002 + spread))


def test_beyond_a_judge_are_the_images_that_it_never_looks_at(images, answers) -> None:
    wrong = np.where(np.arange(len(answers)) < CHUNK, answers, (answers + 1) % 10)
    first = judge(images, wrong, most=CHUNK)
    other = tiny_model(seed=3)
    beyond = first.beyond()
    assert first.drop(other, 100).float_top1 == 1.0
    found = beyond.drop(other, 100)
    assert found.float_top1 == 0.0
    assert beyond.images == CHUNK
    rest = beyond.beyond()
    assert rest.images == CHUNK
    assert rest.beyond() is None


@given(
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=6),
    first=st.integers(0, 1200),
    most=st.integers(0, 1500),
)
def test_images_are_regrouped_in_order_from_any_first_one(sizes, first, most) -> None:
    ends = np.cumsum([0, *sizes])
    batches = (
        (np.arange(start, end), np.arange(start, end)) for start, end in itertools.pairwise(ends)
    )
    chunks = [images for images, _labels in held_back._regrouped(batches, first, most)]
    given_ = np.concatenate(chunks) if chunks else np.array([], int)
    assert given_.tolist() == list(range(first, min(first + most, sum(sizes)))) or first >= sum(
        sizes
    )
    assert all(len(chunk) == CHUNK for chunk in chunks[:-1])
