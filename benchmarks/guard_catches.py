"""A network that int8 ruins and one that int8 slows down, in front of the guard.

    NNC_DATA_DIR=DATA python benchmarks/guard_catches.py [--data fashion-mnist]

The first is the shipped ShuffleNet with the channels between its layers scaled by 1 to 100 and
back, which changes nothing in float and everything in int8. The second is a network of few channels
with an activation that ONNX Runtime computes in float alone, between layers too small to gain.
Both go through `nnc quantise` as a user calls it: first without search, then with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def spoil(model: onnx.ModelProto, seed: int) -> int:
    """Scale channels between pairs of layers in place; how many pairs."""
    from nnc.exporters.post_training.pairs import find_pairs

    random = np.random.default_rng(seed)
    values = {tensor.name: tensor for tensor in model.graph.initializer}

    def times(name: str, factors: np.ndarray) -> None:
        array = numpy_helper.to_array(values[name])
        shape = (-1,) + (1,) * (array.ndim - 1) if len(factors) == len(array) else (1, -1, 1, 1)
        values[name].CopyFrom(
            numpy_helper.from_array((array * factors.reshape(shape)).astype(np.float32), name)
        )

    done = 0
    for pair in find_pairs(model.graph):
        first, second = pair.first, pair.second
        depthwise = second.groups == first.channels
        plain = second.groups == 1 and second.convolves
        if pair.ceiling < np.inf or not first.convolves or not (depthwise or plain):
            continue
        factors = 10 ** random.uniform(0, 2, first.channels)
        times(first.weight, factors)
        if first.bias:
            times(first.bias, factors)
        array = numpy_helper.to_array(values[second.weight])
        shape = (-1, 1, 1, 1) if depthwise else (1, -1, 1, 1)
        values[second.weight].CopyFrom(
            numpy_helper.from_array(
                (array / factors.reshape(shape)).astype(np.float32), second.weight
            )
        )
        done += 1
    return done


def slow_in_int8() -> onnx.ModelProto:
    """Thin convolutions with Softplus between them, for 28x28 images of one channel."""
    random = np.random.default_rng(0)
    nodes, weights, last, channels = [], [], "input", 1
    for index in range(12):
        shape = (8, channels, 1, 1)
        weights.append(
            numpy_helper.from_array(random.normal(0, 0.5, shape).astype(np.float32), f"w{index}")
        )
        nodes.append(helper.make_node("Conv", [last, f"w{index}"], [f"c{index}"], f"conv{index}"))
        nodes.append(helper.make_node("Softplus", [f"c{index}"], [f"s{index}"], f"act{index}"))
        last, channels = f"s{index}", 8
    weights.append(numpy_helper.from_array(random.normal(0, 0.5, (8, 10)).astype(np.float32), "fc"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["mean"], "mean"),
        helper.make_node("Flatten", ["mean"], ["flat"], "flat"),
        helper.make_node("MatMul", ["flat", "fc"], ["scores"], "fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, 28, 28])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)


def quantise(model: Path, data: str, *more: str) -> None:
    """Run the command and show what it says."""
    command = ["quantise", str(model), "--data", data, "--force", *more]
    click.echo(f"$ nnc {' '.join(['quantise', model.name, *command[2:]])}")
    done = subprocess.run(
        [sys.executable, "-m", "nnc", *command, "-v"], capture_output=True, text=True
    )
    for line in (done.stderr + done.stdout).splitlines():
        said = re.sub(r"^INFO [\w.]+: ", "", line)
        click.echo(f"  {said.replace(str(model.parent) + '/', '')}")
    click.echo(f"  exit code {done.returncode}\n")


@click.command()
@click.option("--data", default="fashion-mnist", show_default=True)
def main(data: str) -> None:
    """Show what the guard does."""
    from nnc.exporters.onnx_export import export
    from nnc.toolchain.data import open_data
    from nnc.toolchain.pipeline.shipped import shipped_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        ruined, slow = Path(folder) / "ruined.onnx", Path(folder) / "slow.onnx"
        images = open_data("fashion-mnist-mini").training.take(np.arange(16), 28, 28)
        export(shipped_checkpoint("shufflenet-fashion-mnist"), ruined, images=images)
        model = onnx.load(ruined)
        click.echo(f"ruined.onnx: ShuffleNet, {spoil(model, 0)} pairs of layers rescaled")
        onnx.save(model, ruined)
        quantise(ruined, data, "--search-seconds", "0", "--no-never-slower")
        quantise(ruined, data)
        onnx.save(slow_in_int8(), slow)
        click.echo("slow.onnx: 12 thin convolutions with Softplus between them, random weights")
        known = ("--mean", "0.286", "--std", "0.353")
        quantise(slow, data, *known, "--search-seconds", "0", "--no-max-drop")
        quantise(slow, data, *known, "--no-max-drop")


if __name__ == "__main__":
    main()
