"""The report as one JSON object: what was read, and what the page's headline says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .... import __version__
from .headline import Headline, headline
from .subject import Subject

__all__ = ["SCHEMA_VERSION", "json_object"]

SCHEMA_VERSION = 1


def json_object(subjects: Sequence[Subject], _output: str) -> str:
    """``subjects``, each with its ``bench`` (docs/bench-json.md), ``run`` and ``scan`` or null."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "kind": "report",
        "nnc": __version__,
        "subjects": [_entry(subject) for subject in subjects],
    }
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _entry(subject: Subject) -> dict[str, Any]:
    found = None if subject.bench is None else headline(subject.bench)
    return {
        "title": subject.title,
        "place": subject.place,
        "commands": list(subject.commands),
        "headline": None if found is None else _headline(found),
        "bench": subject.bench,
        "run": None if subject.run is None else asdict(subject.run),
        "scan": subject.scan,
    }


def _headline(found: Headline) -> dict[str, Any]:
    return {
        "file": None if found.view is None else found.view.entry["file"],
        "gate": None if found.gate is None else found.gate.sentence,
        "claim": found.claim,
        "sure": found.sure,
    }
