"""The made-up network in place of what the search measures."""

from __future__ import annotations

import pytest

from nnc.exporters.guard import mixture
from nnc.exporters.guard import tries as tries_module
from nnc.exporters.int8.input import prepare

from ..conftest import tiny_model
from .building import UNITS, World


@pytest.fixture
def world(monkeypatch) -> World:
    made = World(prepared=prepare(tiny_model(), "tiny"))
    monkeypatch.setattr(
        mixture,
        "local_errors",
        lambda *_: {name: made.errors.get(name, 0.0) for name in UNITS},
    )

    def times(model, _prepared, _units, _images, *, threads):
        del threads
        slow = model is made.prepared
        return {name: 1.0 + (made.gains.get(name, 0.1) if slow else 0.0) for name in UNITS}

    monkeypatch.setattr(tries_module, "unit_times", times)
    return made
