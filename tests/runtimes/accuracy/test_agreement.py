"""Agreement of two files: what is counted, what is concluded, and how often that is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.runtimes.accuracy.agreement import Agreement, agree
from nnc.runtimes.accuracy.answers import Answers

NAMES = ("cat", "dog", "eel")
IMAGES = 10_000
triples = st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=80)


def agreement(before, after, labels, names=NAMES) -> Agreement:
    old, new, truth = (np.array(values, np.int64) for values in (before, after, labels))
    return agree(Answers(old), Answers(new), truth, names)


def test_every_figure_of_a_small_case():
    labels = [0, 0, 0, 1, 1, 2, 2, 2]
    before = [0, 0, 1, 1, 0, 2, 0, 1]
    after = [0, 1, 1, 1, 1, 0, 1, 1]
    found = json.loads(json.dumps(agreement(before, after, labels).to_json()))
    low, high = found.pop("low"), found.pop("high")
    assert -1 <= low < -1 / 8 < 0 < high <= 1
    assert found == {
        "images": 8,
        "same": 4,
        "lost": 2,
        "won": 1,
        "moved": 1,
        "difference": -1 / 8,
        "p": 1.0,
        "verdict": "no difference shown",
        "per_class": [
            {"label": "cat", "images": 3, "before": 2, "after": 1, "lost": 1, "won": 0},
            {"label": "dog", "images": 2, "before": 1, "after": 2, "lost": 0, "won": 1},
            {"label": "eel", "images": 3, "before": 1, "after": 0, "lost": 1, "won": 0},
        ],
        "confusions": [
            {"label": "cat", "predicted": "dog", "before": 1, "after": 2},
            {"label": "dog", "predicted": "cat", "before": 1, "after": 0},
            {"label": "eel", "predicted": "dog", "before": 1, "after": 2},
        ],
    }


@settings(max_examples=60, deadline=None)
@given(triples)
def test_the_parts_add_up(rows):
    before, after, labels = zip(*rows, strict=True)
    found = agreement(before, after, labels)
    assert found.same + found.lost + found.won + found.moved == found.images == len(rows)
    right = sum(a == b for a, b in zip(after, labels, strict=True))
    was_right = sum(a == b for a, b in zip(before, labels, strict=True))
    assert found.won - found.lost == right - was_right
    assert found.difference == pytest.approx((right - was_right) / len(rows))
    for name in ("images", "lost", "won"):
        assert sum(getattr(entry, name) for entry in found.per_class) == getattr(found, name)
    for entry in found.per_class:
        assert entry.after == entry.before - entry.lost + entry.won
    for change in found.confusions:
        assert change.label != change.predicted
        assert change.before != change.after


@settings(max_examples=60, deadline=None)
@given(triples)
def test_the_other_way_round_is_the_mirror_image(rows):
    before, after, labels = zip(*rows, strict=True)
    there, back = agreement(before, after, labels), agreement(after, before, labels)
    assert (there.lost, there.won) == (back.won, back.lost)
    assert (there.same, there.moved, there.p) == (back.same, back.moved, back.p)
    assert there.difference == -back.difference
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    opposite = {"worse": "better", "better": "worse"}
    assert there.verdict == opposite.get(back.verdict, back.verdict)


@settings(max_examples=60, deadline=None)
@given(triples)
def test_a_file_agrees_with_itself(rows):
    before, _, labels = zip(*rows, strict=True)
    found = agreement(before, before, labels)
    assert (found.same, found.p, found.verdict) == (len(rows), 1, "no difference shown")
    assert found.confusions == ()
    assert found.interval[0] < 0 < found.interval[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 9000))
def test_interval_and_verdict_never_contradict_each_other(lost, won, others):
    found = Agreement(lost + won + others + 1, others + 1, lost, won, 0, (), ())
    low, high = found.interval
    assert -1 <= low <= found.difference <= high <= 1
    assert (found.verdict == "no difference shown") == (low <= 0 <= high)
    if found.verdict == "worse":
        assert high < 0
    if found.verdict == "better":
        assert low > 0


def test_the_verdict_turns_where_the_exact_test_does():
    """Between the two, the interval of Agresti and Min alone would show a difference."""
    assert Agreement(1000, 994, 6, 0, 0, (), ()).verdict == "worse"
    near = Agreement(10_000, 9_900, 60, 40, 0, (), ())
    assert (near.verdict, near.interval[1]) == ("no difference shown", 0)
    assert near.p == pytest.approx(0.0569, abs=1e-4)
    assert Agreement(10_000, 9_900, 61, 39, 0, (), ()).verdict == "worse"


def test_ten_changed_confusions_at_most_the_greatest_first():
    names = tuple(f"class {index}" for index in range(13))
    after = [index for index in range(1, 13) for _ in range(index)]
    found = agreement([0] * len(after), after, [0] * len(after), names)
    assert [entry.after for entry in found.confusions] == list(range(12, 2, -1))


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [([], [], []), ([0], [0, 1], [0, 1]), ([3], [0], [0]), ([0], [0], [-1])],
    ids=str,
)
def test_what_does_not_belong_together_is_a_bug(before, after, labels):
    with pytest.raises(ValueError, match=r"answers for|classes"):
        agreement(before, after, labels)


class TestHowOftenItIsWrong:
    """Two networks of 92% on 10,000 images that disagree on about 1.5% of them, both ways."""

    PAIRS = 400
    DISCORDANT = 0.015

    def verdicts(self, drop: float, seed: int, *, exactly: bool) -> list[str]:
        """Verdicts on simulated pairs whose second loses ``drop`` of top-1.

        ``exactly``: on these very images; otherwise in the long run, as images are drawn.
        """
        source = np.random.default_rng(seed)
        labels = source.integers(0, 3, IMAGES)
        wrong = (labels + 1) % 3
        found = []
        for _ in range(self.PAIRS):
            order = source.permutation(IMAGES)
            if exactly:
                won = source.binomial(IMAGES, (self.DISCORDANT - drop) / 2)
                lost = won + round(drop * IMAGES)
            else:
                share = [(self.DISCORDANT + drop) / 2, (self.DISCORDANT - drop) / 2]
                lost, won, _ = source.multinomial(IMAGES, [*share, 1 - sum(share)])
            first, second, third = np.split(order, [lost, lost + won])[:3]
            before, after = labels.copy(), labels.copy()
            after[first] = wrong[first]
            before[second] = wrong[second]
            both = third[: 800 - won]
            before[both] = after[both] = wrong[both]
            found.append(agree(Answers(before), Answers(after), labels, NAMES).verdict)
        return found

    def test_a_drop_of_1_point_is_always_found(self):
        assert self.verdicts(0.01, 1, exactly=True).count("worse") == self.PAIRS
        assert self.verdicts(0.01, 2, exactly=False).count("worse") == self.PAIRS

    def test_a_drop_of_a_tenth_of_a_point_on_these_images_is_not_claimed(self):
        assert self.verdicts(0.001, 3, exactly=True).count("no difference shown") == self.PAIRS

    def test_a_tenth_of_a_point_in_the_long_run_is_seldom_claimed(self):
        """There is a difference, so that a claim is no error: the test's power is some 11%."""
        found = self.verdicts(0.001, 4, exactly=False)
        assert found.count("worse") <= 0.16 * self.PAIRS
        assert found.count("better") <= 0.01 * self.PAIRS

    def test_no_difference_is_claimed_in_5_of_100_pairs_at_most(self):
        found = self.verdicts(0.0, 5, exactly=False)
        assert found.count("no difference shown") >= 0.95 * self.PAIRS
