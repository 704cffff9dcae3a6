"""Which files may be measured against each other, and what is said of those that may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec
from nnc.runtimes.artifact import CardOverrides, read_artifact
from nnc.runtimes.bench.fit import check_comparable, read_comparable


@pytest.fixture
def artifact(tiny):
    """The tiny network with another card."""
    one = read_artifact(tiny())

    def made(name: str = "b.onnx", *, own_metadata: bool = True, **changes):
        card = replace(one.card, **changes)
        return replace(one, path=one.path.with_name(name), card=card, own_metadata=own_metadata)

    return made


def test_no_file_and_the_same_file_twice_are_refused(tiny, tmp_path):
    path = tiny()
    with pytest.raises(InputError, match="no files to measure; name at least one"):
        read_comparable([])
    symbolic, hard = tmp_path / "symbolic.onnx", tmp_path / "hard.onnx"
    symbolic.symlink_to(path)
    hard.hardlink_to(path)
    for link in (path, symbolic, hard):
        with pytest.raises(InputError, match=rf"{link.name} is named twice; name each file once"):
            read_comparable([path, link])


def test_files_of_one_task_fit(artifact):
    check_comparable([artifact("a.onnx"), artifact("b.onnx"), artifact("c.onnx")])
    check_comparable([artifact("a.onnx")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"input": InputSpec(1, 8, 9, (0.5,), (0.25,))},
            "b.onnx has input 1x8x9, not 1x8x8: not comparable with",
        ),
        (
            {"input": InputSpec(1, 8, 8, (0.4,), (0.25,))},
            "b.onnx has normalisation mean 0.4 std 0.25, not mean 0.5 std 0.25",
        ),
        ({"labels": ("a", "b")}, "b.onnx has 2 classes, not 3"),
        ({"labels": (), "architecture": ""}, "b.onnx has no classes, not 3 classes"),
        (
            {"labels": ("dark", "bright", "middle")},
            "b.onnx has class 1 called 'bright', not 'middle'",
        ),
        (
            {"input": InputSpec(1, 9, 9, (0.5,), (0.25,)), "labels": ("a", "b")},
            "b.onnx has input 1x9x9, not 1x8x8 and 2 classes, not 3 classes",
        ),
    ],
    ids=["size", "normalisation", "count", "none", "names", "both"],
)
def test_what_differs_is_said(artifact, changes, message):
    with pytest.raises(InputError) as caught:
        check_comparable([artifact("a.onnx"), artifact("b.onnx", **changes)])
    text = str(caught.value)
    assert message in text
    assert "a.onnx; measure files of one task together" in text


def test_all_that_differ_are_named(artifact):
    bad = {"labels": ("a", "b")}
    files = [artifact("a.onnx"), artifact("b.onnx", **bad), artifact(), artifact("d.onnx", **bad)]
    with pytest.raises(InputError, match=r"b\.onnx has 2 classes.*; .*d\.onnx has 2 classes"):
        check_comparable(files)


def test_rounded_normalisation_and_what_nobody_said_fit(artifact):
    ours = artifact("a.onnx")
    check_comparable([ours, artifact(input=InputSpec(1, 8, 8, (0.5004,), (0.2499,)))])
    bare = InputSpec(1, 8, 8, (0.0,), (1.0,))
    foreign = artifact(own_metadata=False, input=bare, labels=("0", "1", "2"))
    check_comparable([ours, foreign])
    check_comparable([foreign, ours])
    with pytest.raises(InputError, match="normalisation"):
        check_comparable([ours, artifact(input=bare)])


def test_the_users_word_counts_for_all_files(tiny):
    overrides = CardOverrides(mean=(0.1,), std=(0.2,))
    files = read_comparable([tiny("a.onnx"), tiny("b.onnx", card=None)], overrides)
    assert {file.card.input.mean for file in files} == {(0.1,)}
