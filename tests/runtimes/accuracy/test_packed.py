"""Packed whole numbers: back as they were, or refused in one line."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.runtimes.accuracy.packed import MOST_VALUES, pack, unpack

numbers = st.integers(0, 2**32 - 1) | st.integers(0, 300)


def compressed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, max_size=200))
def test_values_come_back_in_the_smallest_type(values):
    packed = json.loads(json.dumps(pack(np.array(values, np.int64))))
    largest = max(values, default=0)
    assert packed["dtype"] == (
        "uint8" if largest < 2**8 else "uint16" if largest < 2**16 else "uint32"
    )
    assert packed["count"] == len(values)
    found = unpack(packed, "result.json")
    assert found.dtype == np.int64
    assert found.tolist() == values


def test_the_bytes_are_little_endian():
    data = base64.b64decode(pack([1, 256])["data"])
    assert zlib.decompress(data) == b"\x01\x00\x00\x01"


def test_ten_thousand_answers_of_ten_classes_take_a_few_kilobytes():
    answers = np.random.default_rng(0).integers(0, 10, 10_000)
    assert len(pack(answers)["data"]) < 7_000


@pytest.mark.parametrize("values", [[-1], [2**32], [0.5], [[1, 2]], ["a"]], ids=str)
def test_what_is_no_whole_number_is_a_bug(values):
    with pytest.raises(ValueError, match="packed values"):
        pack(values)


def test_more_values_than_a_result_holds_are_refused():
    with pytest.raises(InputError, match=r"16,777,217 images; .* 16,777,216 at most"):
        pack(np.zeros(MOST_VALUES + 1, np.uint8))


GOOD = pack([1, 2, 3])


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "found NoneType, expected an object"),
        ([1, 2], "found list"),
        ({}, "dtype None"),
        ({**GOOD, "dtype": "float32"}, "dtype 'float32', expected one of uint8, uint16, uint32"),
        ({**GOOD, "dtype": ["uint8"]}, "dtype"),
        ({**GOOD, "dtype": "uint16"}, "does not hold just 3 values of uint16"),
        ({**GOOD, "count": 2}, "does not hold just 2 values"),
        ({**GOOD, "count": 4}, "does not hold just 4 values"),
        ({**GOOD, "count": -1}, "count -1"),
        ({**GOOD, "count": True}, "count True"),
        ({**GOOD, "count": 3.0}, "count 3.0"),
        ({**GOOD, "count": MOST_VALUES + 1}, f"expected a whole number up to {MOST_VALUES}"),
        ({**GOOD, "count": 10**400}, "count 1"),
        ({**GOOD, "data": 7}, "data is int"),
        ({**GOOD, "data": "no base64!"}, "no base64 of zlib"),
        ({**GOOD, "data": "é"}, "no base64 of zlib"),
        ({**GOOD, "data": ""}, "does not hold"),
        ({**GOOD, "data": base64.b64encode(b"\1\2\3").decode()}, "no base64 of zlib"),
        ({**GOOD, "data": GOOD["data"][:-8]}, "does not hold"),
        (
            {**GOOD, "data": base64.b64encode(zlib.compress(b"\1\2\3") + b"more").decode()},
            "does not hold",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:60],
)
def test_anything_else_is_refused_in_one_line(value, problem):
    with pytest.raises(InputError) as caught:
        unpack(value, "old.json")
    text = str(caught.value)
    assert text.startswith("old.json: damaged packed values: ")
    assert text.endswith("run nnc bench again")
    assert problem in text
    assert "\n" not in text
    assert len(text) < 250


def test_a_bomb_is_not_inflated():
    bomb = {"dtype": "uint8", "count": 10, "data": compressed(bytes(32 << 20))}
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="does not hold just 10 values"):
            unpack(bomb, "bomb.json")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "dtype": st.sampled_from(["uint8", "uint16", "uint32", "int8", 8, None]),
            "count": st.integers(-2, 40) | st.none() | st.text(max_size=3),
            "data": st.binary(max_size=40).map(compressed) | st.text(max_size=20) | st.none(),
        },
    )
)
def test_a_random_object_is_read_or_refused(value):
    try:
        found = unpack(value, "random.json")
    except InputError:
        return
    assert len(found) == value["count"]
