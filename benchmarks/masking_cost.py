"""What holding the masks adds to a training step.

    python benchmarks/masking_cost.py [--arch mobilenet] [--method filter] [--sensitivity 0.5]

Two copies of one network, pruned alike, train on the same random images in turn, step by step: one
multiplies its masks in after every step, as pruning does, the other does not. Printed are the
median of the ratios of each pair of steps with a 95% interval, and the share of the masking itself
in the rest of its step: on a busy machine the second is the steadier figure.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import click
import torch
from torch import nn

from nnc import models
from nnc.model_card import InputSpec
from nnc.models.registry import find
from nnc.runtimes.statistics import median_interval
from nnc.toolchain.pruning.masks import Masks
from nnc.toolchain.pruning.selection import Choice, score
from nnc.toolchain.pruning.structure import read_structure
from nnc.toolchain.pruning.traced import Traced
from nnc.toolchain.training import TrainSettings
from nnc.toolchain.training.devices import autocast, memory_format, pick_device
from nnc.toolchain.training.loop import _optimiser


def stepper(
    network: nn.Module,
    arch: str,
    images: torch.Tensor,
    labels: torch.Tensor,
    after: Callable[[], None],
) -> Callable[[], tuple[float, float]]:
    """A function that does one step of `nnc train`'s loop: its seconds, and those of ``after``."""
    device = images.device
    optimiser = _optimiser(network, TrainSettings.from_recipe(arch, "modern").fit)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    network.train()

    def wait() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def step() -> tuple[float, float]:
        start = wait()
        with autocast(device):
            loss = loss_of(network(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        middle = wait()
        after()
        end = wait()
        return end - start, end - middle

    return step


@click.command()
@click.option("--arch", default="mobilenet", show_default=True)
@click.option("--method", default="channel", show_default=True)
@click.option("--sensitivity", default=0.5, show_default=True)
@click.option("--size", default=None, type=int, help="Pixels a side.  [default: 28, alexnet 224]")
@click.option("--batch-size", default=None, type=int, help="[default: the modern recipe's]")
@click.option("--pairs", default=30, show_default=True)
@click.option("--device", default="auto", show_default=True)
def main(
    arch: str,
    method: str,
    sensitivity: float,
    size: int | None,
    batch_size: int | None,
    pairs: int,
    device: str,
) -> None:
    """Print what masking adds to a training step, in percent."""
    place = pick_device(device)
    side = size or find(arch).default_size or 28
    batch = batch_size or TrainSettings.from_recipe(arch, "modern").fit.batch_size
    torch.manual_seed(0)
    network = models.build(arch, 10, 1)
    choice = Choice(method)
    groups = None
    if choice.needs_groups:
        groups = Traced.of(network, InputSpec(1, side, side, (0.5,), (0.5,))).groups
    kept = score(network, choice, read_structure(network), groups).keep(sensitivity)
    layout = memory_format(place, arch)
    networks = [copy.deepcopy(network).to(place).to(memory_format=layout) for _ in range(2)]
    masks = [Masks(one, kept.masks(one)) for one in networks]
    for one in masks:
        one.apply()
    images = torch.randn(batch, 1, side, side, device=place).to(memory_format=layout)
    labels = torch.randint(0, 10, (batch,), device=place)
    bare = stepper(networks[0], arch, images, labels, lambda: None)
    masked = stepper(networks[1], arch, images, labels, masks[1].apply)
    for _ in range(3):
        bare()
        masked()
    ratios, shares, times = [], [], []
    for number in range(pairs):
        if number % 2:
            (second, own), (first, _) = masked(), bare()
        else:
            (first, _), (second, own) = bare(), masked()
        ratios.append(100 * (second / first - 1))
        shares.append(100 * own / (second - own))
        times.append(1000 * first)
    middle, low, high = median_interval(ratios)
    share, least, most = median_interval(shares)
    where = torch.cuda.get_device_name() if place.type == "cuda" else "CPU"
    click.echo(
        f"{arch}, {method} {sensitivity:g}, {side}x{side}, batch {batch}, {where}, "
        f"{len(masks[1].kept())} tensors and {masks[1].zeros()} entries masked, {pairs} pairs of "
        f"steps of {statistics.median(times):.1f} ms:\n"
        f"  pairs: masking adds {middle:+.2f}% (95% interval {low:+.2f}% to {high:+.2f}%)\n"
        f"  its own time: {share:.2f}% (95% interval {least:.2f}% to {most:.2f}%)"
    )


if __name__ == "__main__":
    main()
