"""Before an engine is deserialised: really built ones, changed in every way that matters."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes.gpu.driver import Device
from nnc.runtimes.trt import preflight as trt_preflight
from nnc.runtimes.trt.compat import load_library, version_numbers
from nnc.runtimes.trt.preflight import check_gpu, check_library, load_plan, read_header
from nnc.runtimes.trt.sidecar import sidecar_path

ADA = Device("NVIDIA GeForce RTX 4090", 89)
AMPERE = Device("NVIDIA GeForce RTX 3090", 86)


def refused(*arguments, by=load_plan, **settings) -> str:
    """The one line, with exit code 4, of what ``by`` refuses."""
    with pytest.raises(MissingError) as caught:
        by(*arguments, **settings)
    text = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in text
    return text


def test_an_engine_as_it_was_built_passes(engine, plan):
    library = load_library("rtx")
    loaded = load_plan(engine())
    assert loaded.data == plan
    assert loaded.header.flavour == "rtx"
    assert loaded.header.version == version_numbers(library.version)[:4]
    check_library(loaded, library)
    check_gpu(loaded, ADA, library)


@pytest.mark.parametrize("place", [0, 24, 1000, -1])
def test_a_flipped_byte(engine, plan, place):
    data = bytearray(plan)
    data[place] ^= 1
    path = engine(bytes(data))
    text = refused(path)
    assert "is not the engine that its sidecar describes" in text
    line = (
        "nnc quantise MODEL.onnx --backend trt --precision fp32 --batch 1,2,8 --flavour rtx "
        f"--target-gpu 89 -o {path} --force"
    )
    assert text.endswith(line)
    assert "(sha256 abababababab)" in text
    # --trust is for engines without a sidecar, not for those that differ from theirs.
    assert refused(path, trust=True) == text


@pytest.mark.parametrize("size", [1, 31, 4000])
def test_a_truncated_plan(engine, plan, size):
    assert "cut short" in refused(engine(plan[:size]))


def test_a_truncated_plan_is_found_without_a_sidecar_too(engine, plan):
    text = refused(engine(plan[:-1], sidecar=False), trust=True)
    assert f"has {len(plan) - 1} bytes, and its header says {len(plan)}" in text


def test_an_empty_file_is_bad_input(engine):
    with pytest.raises(InputError, match="is empty"):
        load_plan(engine(b""))


def test_no_sidecar(engine, plan):
    path = engine(sidecar=False)
    assert "pass --trust" in refused(path)
    loaded = load_plan(path, trust=True)
    assert (loaded.data, loaded.sidecar) == (plan, None)
    check_gpu(loaded, AMPERE, load_library("rtx"))


def test_a_damaged_sidecar_is_bad_input_even_with_trust(engine):
    path = engine()
    sidecar_path(path).write_text("{}")
    with pytest.raises(InputError, match="damaged sidecar"):
        load_plan(path, trust=True)


@pytest.mark.parametrize("start", [b"PK\3\4", b"\x08\x08ab", b"ftr", b""])
def test_wrong_magic(engine, plan, start):
    path = engine(start + plan[4:] if len(start) == 4 else start or b"\0", sidecar=False)
    text = refused(path, trust=True)
    assert "is no TensorRT engine" in text
    assert "expected b'ftrt' or b'vtrt'" in text


def test_a_plan_too_short_for_its_header(engine, plan):
    assert "31 bytes" in refused(engine(plan[:31], sidecar=False), trust=True)


def test_another_flavour(engine, plan):
    other = load_plan(engine(b"ftrt" + plan[4:], sidecar=False), trust=True)
    text = refused(other, load_library("rtx"), by=check_library)
    assert "is a plan of TensorRT; installed is TensorRT for RTX" in text
    assert "--flavour rtx" in text


def test_a_sidecar_of_another_flavour(engine):
    text = refused(engine(flavour="tensorrt"))
    assert "is a plan of TensorRT for RTX, but its sidecar says TensorRT;" in text


@pytest.mark.parametrize("version", ["1.7.2.116", "1.7.1.117", "2.0.0.1", "10.13.0.35", "?"])
def test_another_version(engine, version):
    library = replace(load_library("rtx"), version=version)
    text = refused(load_plan(engine()), library, by=check_library)
    assert f"and TensorRT for RTX {version} is installed" in text
    assert f"was built by TensorRT for RTX {load_library('rtx').version}" in text
    assert "build it anew" in text


def test_a_version_without_a_sidecar_comes_from_the_header(engine, plan):
    own = ".".join(map(str, plan[24:28]))
    library = replace(load_library("rtx"), version="9.9.9.9")
    loaded = load_plan(engine(sidecar=False), trust=True)
    assert f"built by TensorRT for RTX {own}," in refused(loaded, library, by=check_library)


@pytest.mark.parametrize(
    ("header", "version"),
    [
        ((10, 3, 0, 30), "10.3.0"),
        ((8, 6, 2, 3), "8.6.2"),
        ((10, 13, 0, 35), "10.13.0.35"),
        ((10, 13, 0, 300 % 256), "10.13.0.300"),
    ],
)
def test_as_many_numbers_as_the_module_says_are_compared(engine, plan, header, version):
    """Jetson's modules say three, and the plan has four."""
    data = b"ftrt" + plan[4:24] + bytes(header) + plan[28:]
    loaded = load_plan(engine(data, sidecar=False), trust=True)
    library = replace(load_library("rtx"), flavour="tensorrt", version=version)
    check_library(loaded, library)
    other = replace(library, version="10.3.1")
    text = refused(loaded, other, by=check_library)
    assert f"was built by TensorRT {'.'.join(map(str, header))}, and TensorRT 10.3.1" in text


def test_the_version_of_an_unknown_form_of_plan_is_the_sidecars(engine, plan):
    data = plan[:4] + b"\x01" + plan[5:24] + bytes(4) + plan[28:]
    library = load_library("rtx")
    digest = hashlib.sha256(data).hexdigest()
    loaded = load_plan(engine(data, engine_sha256=digest))
    assert (loaded.header.version, loaded.header.size) == ((), None)
    check_library(loaded, library)
    text = refused(loaded, replace(library, version="1.7.2.0"), by=check_library)
    assert f"was built by TensorRT for RTX {library.version}," in text
    # Without a sidecar the library alone can tell.
    check_library(load_plan(engine(data, sidecar=False), trust=True), library)


def test_another_gpu(engine):
    text = refused(load_plan(engine()), AMPERE, load_library("rtx"), by=check_gpu)
    assert "for compute capability 8.9; NVIDIA GeForce RTX 3090 has 8.6;" in text
    assert " --target-gpu 86 -o " in text
    assert "--target-gpu 89" not in text


def test_a_gpu_that_the_library_builds_nothing_for(engine):
    text = refused(load_plan(engine()), Device("Pascal", 61), load_library("rtx"), by=check_gpu)
    assert text.endswith("builds nothing for that GPU: use TensorRT (--flavour tensorrt)")


def test_another_gpu_than_the_one_it_was_built_on(engine):
    own = {"targets": (), "gpu": "Orin", "capability": 87}
    tensorrt = replace(load_library("rtx"), module=SimpleNamespace(IBuilderConfig=None))
    text = refused(load_plan(engine(**own)), ADA, tensorrt, by=check_gpu)
    assert "was built on Orin for compute capability 8.7" in text
    assert "--target-gpu" not in text


def test_the_command_can_be_pasted(engine, tmp_path):
    path = engine(batch=(4, 4, 4))
    moved = tmp_path / "my net's.engine"
    path.rename(moved)
    sidecar_path(path).rename(sidecar_path(moved))
    moved.write_bytes(moved.read_bytes() + b"\0")
    text = refused(moved)
    words = shlex.split(text[text.index("nnc quantise") :])
    assert words[words.index("-o") + 1] == str(moved)
    assert words[words.index("--batch") + 1] == "4,4,4"
    assert words[-1] == "--force"


def test_a_header_of_tensorrt_itself(tmp_path):
    start = b"ftrt" + bytes(20) + bytes([10, 13, 0, 35]) + bytes(4)
    header = read_header(start, tmp_path / "a.engine")
    assert (header.flavour, header.version) == ("tensorrt", (10, 13, 0, 35))
    assert len(start) == trt_preflight.HEADER_BYTES
