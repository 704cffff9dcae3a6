from __future__ import annotations

import pytest

from nnc.errors import InputError
from nnc.exporters.profiles import choose_profile


@pytest.mark.parametrize(
    ("target", "sets", "machine", "expected"),
    [
        ("auto", ("avx2", "fma"), "x86_64", "avx2"),
        ("auto", (), "x86_64", "avx2"),
        ("auto", ("avx2", "avx512_vnni"), "x86_64", "vnni"),
        ("auto", ("avx2", "avx_vnni"), "AMD64", "vnni"),
        ("auto", (), "aarch64", "arm64"),
        ("auto", (), "arm64", "arm64"),
        ("arm64", ("avx2",), "x86_64", "arm64"),
    ],
)
def test_choice(target, sets, machine, expected):
    assert choose_profile(target, sets, machine).name == expected


def test_unknown_target():
    with pytest.raises(InputError, match="unknown target 'sse': expected one of auto, avx2"):
        choose_profile("sse", (), "x86_64")
