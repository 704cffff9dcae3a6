"""What a study concludes: chosen on validation, paired by seed, said plainly; table and figure."""

from __future__ import annotations

import pytest

from nnc.errors import InputError
from nnc.toolchain.experiments.overfit_settings import OverfitSettings
from nnc.toolchain.experiments.overfit_study import Network, Study, summarise
from nnc.toolchain.report.overfit_figure import overfit_figure
from nnc.toolchain.report.overfit_table import overfit_page


def network(
    kind: str, seed: int, test: float, validation: float = 0.8, sensitivity: float | None = None
) -> Network:
    learnt = {"reference": None, "overfitted": 0.9995}.get(kind, 0.99)
    return Network(kind, sensitivity, seed, validation, test, learnt, 1000, 900, 4, 800)


def study(
    pruned: dict[float, tuple[float, float]],
    control: float = 0.85,
    seeds: int = 3,
    **changes: object,
) -> Study:
    """``pruned``: sensitivity -> (validation, test); seeds differ by a tenth of a point."""
    settings = OverfitSettings("mobilenet", tuple(pruned), seeds=seeds, **changes)
    networks = []
    for seed in range(seeds):
        shift = 0.001 * seed
        networks += [
            network("reference", seed, 0.90),
            network("overfitted", seed, 0.84 + shift),
            network("control", seed, control + shift),
        ]
        networks += [
            # Not quite in step with the control: differences have a spread of their own.
            network("pruned", seed, test + 1.5 * shift, validation, sensitivity)
            for sensitivity, (validation, test) in pruned.items()
        ]
    return summarise(settings, networks, data="some-data", train_images=80, test_images=40)


def test_validation_chooses_and_test_does_not() -> None:
    found = study({0.1: (0.80, 0.95), 0.2: (0.81, 0.70)})
    assert found.chosen == 0.2
    assert found.differences["pruned - control"].mean < 0


def test_a_tie_goes_to_the_smaller_network() -> None:
    assert study({0.1: (0.8, 0.85), 0.2: (0.8, 0.85)}).chosen == 0.2


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (0.87, "Pruning beat the control: pruned at 0.1 minus control is +2.05 points"),
        (0.83, "The control beat pruning: pruned at 0.1 minus control is -1.95 points"),
        (0.85, "No difference between pruning and the control is shown: pruned at 0.1"),
    ],
)
def test_verdict(test: float, says: str) -> None:
    verdict = study({0.1: (0.8, test)}).verdict
    assert verdict.startswith(says)
    assert "3 seeds" in verdict


def test_one_seed_shows_nothing() -> None:
    found = study({0.1: (0.8, 0.99)}, seeds=1)
    assert found.verdict.startswith("Nothing is shown by a single seed")
    assert found.to_json()["rows"][0]["test_accuracy"]["deviation"] is None
    assert overfit_figure(found.to_json()).startswith(b"\x89PNG")


def test_who_has_not_learnt_is_told() -> None:
    found = study({0.1: (0.8, 0.8)}, until_train_accuracy=0.9999)
    assert found.unfinished == (0, 1, 2)
    assert "seed 0, 1, 2: 99.99 % training accuracy was not reached in 20 epochs" in overfit_page(
        found.to_json()
    )


def test_page() -> None:
    found = study({0.1: (0.8, 0.85), 0.2: (0.9, 0.86)}, train_images=100)
    page = overfit_page(found.to_json())
    assert f"**{found.verdict}**" in page
    assert (
        "| overfitted, pruned at 0.2 (chosen on validation) | 86.15 % ± 0.15 | 90.00 % ± 0.00 "
        "| 99.00 % ± 0.00 | 1.00 k | 900 | 800 | 4 |" in page
    )
    assert "| control: overfitted, trained on | 85.10 % ± 0.10 |" in page
    assert "trained on 80 images (a subset of the training part)" in page
    assert "pruned - control +1.05 (+0.93 to +1.17)" in page


def test_figure_is_the_same_for_the_same_numbers() -> None:
    told = study({0.1: (0.8, 0.85), 0.2: (0.9, 0.86)}).to_json()
    assert overfit_figure(told) == overfit_figure(told)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensitivities": ()}, "sensitivities .none.: expected fractions"),
        ({"sensitivities": (0.2, 0.1)}, "rising"),
        ({"sensitivities": (0.0, 0.1)}, "above 0"),
        ({"sensitivities": (1.0,)}, "below 1"),
        ({"sensitivities": (float("nan"),)}, "expected fractions"),
        ({"seeds": 0}, "0 seeds: expected 1 to 1000"),
        ({"arch": "mobilnet"}, "did you mean mobilenet"),
        ({"until_train_accuracy": 2.0}, "until_train_accuracy"),
        ({"seed": 2**32 - 1, "seeds": 2}, "seed = 4294967296"),
        ({"train_images": 3}, "at least 20"),
    ],
)
def test_wrong_settings(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OverfitSettings(**{"arch": "mobilenet", **change})


def test_control_and_pruned_differ_in_the_sensitivity_alone() -> None:
    settings = OverfitSettings("shufflenet")
    control, pruned = settings.pruned(3, 0.0).to_json(), settings.pruned(3, 0.2).to_json()
    assert {key for key in control if control[key] != pruned[key]} == {"sensitivity"}
    assert control["patience"] == settings.patience
    assert (control["weight_decay"], control["label_smoothing"], control["crop"]) == (0, 0, 0)
