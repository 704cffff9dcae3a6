"""Accuracy from answers and labels: every figure against counting by hand."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.runtimes.accuracy.accuracy import Accuracy, Answers
from nnc.runtimes.accuracy.packed import unpack
from nnc.runtimes.statistics import wilson

NAMES = ("cat", "dog", "eel", "fox")


def accuracy_of(answers, labels, names=NAMES, top5=None) -> Accuracy:
    top = None if top5 is None else np.array(top5, bool)
    return Accuracy.from_answers(
        Answers(np.array(answers, np.int64), top), np.array(labels, np.int64), names
    )


def test_every_figure_of_a_small_case():
    #          cat cat cat cat dog dog fox fox
    labels = [0, 0, 0, 0, 1, 1, 3, 3]
    answers = [0, 0, 0, 1, 0, 1, 1, 2]
    found = json.loads(json.dumps(accuracy_of(answers, labels).to_json()))
    low, high = wilson(4, 8)
    predictions = found.pop("predictions")
    assert unpack(predictions, "here").tolist() == answers
    assert found == {
        "images": 8,
        "correct": 4,
        "top1": 0.5,
        "low": low,
        "high": high,
        "top5": None,
        "top5_correct": None,
        "chance": 0.5,
        "constant": False,
        "per_class": [
            {"label": "cat", "images": 4, "correct": 3},
            {"label": "dog", "images": 2, "correct": 1},
            {"label": "eel", "images": 0, "correct": 0},
            {"label": "fox", "images": 2, "correct": 0},
        ],
        "worst_class": {"label": "fox", "images": 2, "correct": 0},
        "confusions": [
            {"label": "cat", "predicted": "dog", "count": 1},
            {"label": "dog", "predicted": "cat", "count": 1},
            {"label": "fox", "predicted": "dog", "count": 1},
            {"label": "fox", "predicted": "eel", "count": 1},
        ],
    }


def test_top_5_counts_what_the_answers_say():
    found = accuracy_of([0, 1, 2], [0, 1, 1], tuple("abcdef"), [True, True, False]).to_json()
    assert (found["top5"], found["top5_correct"]) == (2 / 3, 2)


def test_the_worst_class_has_images_and_of_equals_is_the_first():
    worst = accuracy_of([0, 0, 3, 0], [0, 1, 3, 3]).worst_class
    assert (worst.label, worst.images) == ("dog", 1)
    assert accuracy_of([1, 0, 3], [0, 1, 3]).worst_class.label == "cat"


def test_ten_confusions_at_most_the_most_frequent_first():
    labels, answers = [], []
    for answer in range(1, 13):
        labels += [0] * answer
        answers += [answer] * answer
    names = tuple(f"class {index}" for index in range(13))
    found = accuracy_of(answers, labels, names).confusions
    assert [entry.count for entry in found] == list(range(12, 2, -1))
    assert found[0].predicted == "class 12"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60),
)
def test_random_answers_add_up(pairs):
    answers, labels = ([int(value) for value in column] for column in zip(*pairs, strict=True))
    found = accuracy_of(answers, labels)
    assert found.correct == sum(a == b for a, b in pairs)
    assert sum(entry.images for entry in found.per_class) == len(pairs)
    assert sum(entry.correct for entry in found.per_class) == found.correct
    wrong = Counter((NAMES[b], NAMES[a]) for a, b in pairs if a != b)
    assert {(entry.label, entry.predicted): entry.count for entry in found.confusions}.items() <= (
        wrong.items()
    )
    if len(wrong) <= 10:
        assert len(found.confusions) == len(wrong)
    assert found.chance == max(Counter(labels).values()) / len(pairs)
    assert (found.constant is not None) == (len(set(answers)) == 1)
    assert found.interval[0] <= found.top1 <= found.interval[1]
    low = min(entry.correct / entry.images for entry in found.per_class if entry.images)
    assert found.worst_class.correct / found.worst_class.images == low


def test_a_thousand_classes_need_no_table_of_all_pairs():
    source = np.random.default_rng(0)
    names = tuple(map(str, range(21_000)))
    labels = source.integers(0, len(names), 5_000)
    found = accuracy_of(source.permutation(labels), labels, names)
    assert len(found.per_class) == 21_000


class TestWarnings:
    def test_constant_answers(self):
        found = accuracy_of([1] * 8, [0, 1, 2, 3] * 2)
        assert found.warnings == ("answers 'dog' for every image: its accuracy is that of chance",)
        assert found.to_json()["constant"] is True

    def test_accuracy_below_chance(self):
        (line,) = accuracy_of([1, 0, 0, 0] * 5, [0, 1, 0, 2] * 5).warnings
        assert line == (
            "accuracy 25.00% on 20 images is not above chance: 50.00% of them are 'cat'"
        )

    def test_accuracy_that_may_be_chance(self):
        (line,) = accuracy_of([0, 1, 0, 0], [0, 1, 0, 2]).warnings
        assert line == (
            "accuracy 75.00% on 4 images is not shown to be above chance: 50.00% of them are 'cat'"
        )

    def test_a_good_file_has_none(self):
        assert accuracy_of([0, 1, 2, 3] * 20, [0, 1, 2, 3] * 20).warnings == ()

    def test_one_label_alone_says_nothing_of_chance(self):
        assert accuracy_of([0] * 9, [0] * 9).warnings == ()
        assert accuracy_of([1] * 9, [0] * 9).warnings == ()

    def test_a_label_cannot_write_to_the_terminal(self):
        (line,) = accuracy_of([0, 0], [0, 1], ("\x1b[2Jred", "b")).warnings
        assert "\x1b" not in line


@pytest.mark.parametrize(
    ("answers", "labels"), [([], []), ([0], [0, 1]), ([4], [0]), ([0], [-1])], ids=str
)
def test_what_does_not_belong_together_is_a_bug(answers, labels):
    with pytest.raises(ValueError, match=r"answers for|classes"):
        accuracy_of(answers, labels)
