"""Recipes: what is read, what is refused, what --set replaces."""

from __future__ import annotations

import pytest

from nnc.errors import InputError
from nnc.toolchain.pipeline.recipe import load_recipe, shipped_recipes, toml_value

GOOD = """
[recipe]
name = "mine"
data = "fashion-mnist-mini"
[[stage]]
run = "train"
arch = "mobilenet"
output = "a.safetensors"
[[stage]]
run = "prune"
from = "a.safetensors"
sensitivity = 0.4
output = "b.safetensors"
[[stage]]
run = "export"
from = "b.safetensors"
output = "b.onnx"
[[stage]]
run = "quantise"
from = "b.onnx"
output = "b.int8.onnx"
[[stage]]
run = "bench"
files = ["a.safetensors", "b.onnx", "b.int8.onnx"]
"""


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_is_valid(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert recipe.stages[-1].kind == "bench"
    assert recipe.stages[-1].sources[0].endswith((".safetensors", "fashion-mnist"))


def test_a_good_recipe_is_read(tmp_path):
    recipe = load_recipe(write(tmp_path, GOOD))
    assert [(stage.kind, stage.output) for stage in recipe.stages] == [
        ("train", "a.safetensors"),
        ("prune", "b.safetensors"),
        ("export", "b.onnx"),
        ("quantise", "b.int8.onnx"),
        ("bench", "results.json"),
    ]
    assert recipe.stages[1].settings == {"sensitivity": 0.4}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', 'nam = "mine"', "[recipe]: unknown setting 'nam'; did you mean 'name'?"),
        ("sensitivity = 0.4", "sensitivty = 0.4",
         "stage 2 (prune): unknown setting 'sensitivty'; did you mean 'sensitivity'?"),
        ("sensitivity = 0.4\n", "", "stage 2 (prune): expected one of sensitivity, table, "),
        ("sensitivity = 0.4", "sensitivity = '0.4'", "sensitivity = '0.4'; expected a number"),
        ("sensitivity = 0.4", "sensitivity = true", "sensitivity = True; expected a number"),
        ("sensitivity = 0.4", "sensitivity = 1.5", "stage 2 (prune): sensitivity 1.5"),
        ('run = "prune"', 'run = "prun"', "expected train, prune, export, quantise, bench; did"),
        ('output = "b.onnx"', 'output = "../b.onnx"', "expected a plain name"),
        ('output = "b.onnx"', 'output = "/b.onnx"', "expected a plain name"),
        ('output = "b.onnx"', 'output = ".onnx"', "expected a plain name"),
        ('output = "b.onnx"', 'output = "b.txt"', "expected a name that ends in .onnx"),
        ('output = "b.safetensors"', 'output = "a.safetensors"', "'a.safetensors' is taken"),
        ('from = "b.onnx"', 'from = "c.onnx"',
         "expected the output of an earlier stage or shipped:NAME; did you mean 'b.onnx'?"),
        ('from = "b.onnx"', 'from = "b.safetensors"', "expected .onnx"),
        ('arch = "mobilenet"', 'arch = "mobilnet"', "did you mean mobilenet?"),
        ("[recipe]", "[recip]", "unknown table 'recip'; did you mean 'recipe'?"),
        ("[recipe]", "[recipe", "is not TOML"),
        ('name = "mine"', "seed = -1", "[recipe] seed = -1"),
        ('name = "mine"', f"seed = {'1' * 5000}", "more than 64 bits"),
        ('name = "mine"', f"seed = 0x{'f' * 5000}", "a whole number of more than 64 bits"),
        ("sensitivity = 0.4", f"sensitivity = {'1' * 400}", "more than 64 bits"),
        ("sensitivity = 0.4", f"sensitivity{'.a' * 3000} = 1", "nested more than 8 deep"),
        ('files = ["a.safetensors", ', 'files = ["b.onnx", ',
         "stage 5 (bench): 'b.onnx' is named twice; name each file once"),
        ('from = "b.onnx"', 'from = "shipped:x"',
         "from 'shipped:x', a checkpoint; expected .onnx: export it in an earlier stage"),
    ],
)  # fmt: skip
def test_bad_recipes_are_refused(tmp_path, old, new, message):
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, GOOD.replace(old, new, 1)))
    assert message in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_overrides_replace_every_stage_of_a_kind(tmp_path):
    overrides = {"train.epochs": 1, "recipe.data": "cifar10", "bench.threads": 2}
    recipe = load_recipe(write(tmp_path, GOOD), overrides)
    assert recipe.data == "cifar10"
    assert recipe.stages[0].settings["epochs"] == 1
    assert recipe.stages[-1].settings["threads"] == 2


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("train.epoch", 1, "--set train.epoch: unknown setting 'epoch'; did you mean 'epochs'?"),
        ("trian.epochs", 1, "did you mean 'train'?"),
        ("recipe.name", "x", "unknown setting 'name'"),
        ("train.output", "x", "unknown setting 'output'"),
        ("train.epochs", "many", "epochs = 'many'; expected a whole number"),
        ("train.epochs", 0, "epochs"),
        ("train.learning_rate", 10**400, "a whole number of more than 64 bits"),
    ],
)
def test_bad_overrides_are_refused(tmp_path, path, value, message):
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, GOOD), {path: value})
    assert message in str(caught.value)


@pytest.mark.parametrize("value", ["3", "[1]", "'x'", "[{}]"])
def test_an_override_of_a_recipe_that_is_no_table(tmp_path, value):
    path = write(tmp_path, f"recipe = {value}\n")
    with pytest.raises(InputError, match=r"mine.toml: \[recipe\]: expected a table"):
        load_recipe(path, {"recipe.seed": 1})


def test_an_override_needs_its_stage():
    with pytest.raises(InputError, match="recipe quickstart has no train stage"):
        load_recipe("quickstart", {"train.epochs": 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("true", True),
        ("'a'", "a"),
        ("a/b", "a/b"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_values_of_set(text, value):
    assert toml_value(text) == value
