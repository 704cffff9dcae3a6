"""Answers as they are read off scores, here and through a worker process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard
from nnc.runtimes.accuracy.answers import Answers, class_indices, predict
from nnc.runtimes.base import TensorSpec
from nnc.runtimes.workers.worker_process import WorkerProcess

SPEC = InputSpec(1, 1, 1, (0.0,), (1.0,))


class Table:
    """A runtime whose scores stand in a table: image value n has row n."""

    outputs = (TensorSpec("y", "float32", (None, None)),)

    def __init__(self, scores, batch=None):
        self.scores = np.asarray(scores)
        self.inputs = (TensorSpec("x", "float32", (batch, 1, 1, 1)),)

    def run(self, feeds):
        rows = np.rint(feeds["x"].reshape(-1) * 255).astype(int)
        return {"y": self.scores[rows]}


def answers_of(scores, labels=None, batch=None) -> Answers:
    scores = np.asarray(scores)
    images = np.arange(len(scores), dtype=np.uint8).reshape(-1, 1, 1, 1)
    truth = None if labels is None else np.asarray(labels, np.int64)
    return predict(Table(scores, batch), images, SPEC, scores.shape[1], Path("table.onnx"), truth)


def test_of_equal_scores_the_first_class_ranks_higher():
    alike = np.zeros((8, 8), np.float32)
    found = answers_of(alike, range(8))
    assert found.classes.tolist() == [0] * 8
    assert found.in_top5.tolist() == [True] * 5 + [False] * 3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_top_5_is_what_a_stable_sort_says(data):
    classes = data.draw(st.integers(6, 12))
    rows = data.draw(
        st.lists(
            st.lists(st.integers(-2, 2), min_size=classes, max_size=classes), min_size=1, max_size=6
        )
    )
    labels = data.draw(
        st.lists(st.integers(0, classes - 1), min_size=len(rows), max_size=len(rows))
    )
    batch = data.draw(st.sampled_from([None, 1, 4]))
    scores = np.array(rows, np.float32)
    found = answers_of(scores, labels, batch)
    order = np.argsort(-scores, axis=1, kind="stable")
    assert found.classes.tolist() == order[:, 0].tolist()
    expected = [label in row[:5] for label, row in zip(labels, order, strict=True)]
    assert found.in_top5.tolist() == expected


@pytest.mark.parametrize(("classes", "labels"), [(5, [0, 1]), (6, None)], ids=["5", "unlabelled"])
def test_no_top_5_of_five_classes_or_without_labels(classes, labels):
    assert answers_of(np.eye(2, classes), labels).in_top5 is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_that_are_no_numbers_name_the_file(value, dtype):
    scores = np.zeros((2, 6), dtype)
    scores[1, 3] = value
    with pytest.raises(InputError, match=r"table\.onnx returns NaN or infinite .* for image 1:"):
        answers_of(scores, [0, 1])


@pytest.mark.parametrize(
    ("odd", "batch", "which"),
    [
        ([17], None, "image 117"),
        ([17, 3, 19, 18], 4, "image 103 and 3 more of images 100 to 119"),
        (range(20), 8, "each of images 100 to 119"),
    ],
)
def test_the_first_odd_image_is_named_and_the_rest_counted(odd, batch, which):
    scores = np.zeros((20, 6))
    scores[list(odd), 0] = np.nan
    images = np.arange(20, dtype=np.uint8).reshape(-1, 1, 1, 1)
    with pytest.raises(InputError) as raised:
        predict(Table(scores, batch), images, SPEC, 6, Path("table.onnx"), first=100)
    assert str(raised.value) == (
        f"table.onnx returns NaN or infinite scores for {which}: its weights are damaged, or its "
        "arithmetic is not defined there"
    )


def test_parts_are_joined_in_order():
    first = Answers(np.array([1, 2]), np.array([True, False]))
    second = Answers(np.array([0]), np.array([True]))
    whole = Answers.joined([first, second])
    assert (whole.classes.tolist(), whole.in_top5.tolist()) == ([1, 2, 0], [True, False, True])
    assert Answers.joined([first, Answers(np.array([0]))]).in_top5 is None
    assert len(whole) == 3


def test_shapes_that_do_not_belong_together_are_a_bug():
    with pytest.raises(ValueError, match="answers of shape"):
        Answers(np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match="answers of shape"):
        Answers(np.zeros(2, np.int64), np.zeros(3, bool))


@pytest.mark.parametrize("values", [[3], [-1], [0.0], [[1]]], ids=str)
def test_indices_that_name_no_class_are_a_bug(values):
    with pytest.raises(ValueError, match="classes"):
        class_indices(np.array(values), 3)
    assert class_indices(np.array([2, 0], np.uint8), 3).dtype == np.int64


@pytest.mark.parametrize("batch", ["N", 4])
def test_a_worker_answers_as_the_runtime_itself(net: SimpleNamespace, tmp_path, batch):
    """Seven classes, so that there is a top 5; a fixed batch is filled up."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    source = np.random.default_rng(3)
    weight = source.normal(size=(64, 7)).astype(np.float32)
    make = onnx.helper.make_node
    nodes = [make("Flatten", ["x"], ["a"]), make("MatMul", ["a", "w"], ["y"])]
    model = net.wrap(nodes, {"w": weight}, batch=batch, card=ModelCard(net.SPEC, tuple("abcdefg")))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    path = tmp_path / "seven.onnx"
    path.write_bytes(model.SerializeToString())
    images = source.integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)
    labels = source.integers(0, 7, 10)
    with WorkerProcess(path, device="cpu", threads=1) as worker:
        worker.open(net.SPEC)
        found = worker.predict(images, 7, labels)
        bare = worker.predict(images, 7)
    scores = ((images.reshape(10, 64) / 255 - 0.5) / 0.25) @ weight
    order = np.argsort(-scores, axis=1)
    assert found.classes.tolist() == bare.classes.tolist() == order[:, 0].tolist()
    assert found.in_top5.tolist() == [
        label in row[:5] for label, row in zip(labels, order, strict=True)
    ]
    assert bare.in_top5 is None
