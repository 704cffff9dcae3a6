"""The tiny network as the engines' tests take it."""

from __future__ import annotations

import pytest

from .building import described


@pytest.fixture
def tiny_artifact(tiny):
    return described(tiny)
