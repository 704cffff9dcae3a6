"""Which library builds here, and what for, on machines with and without a GPU."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nnc.errors import InputError, MissingError
from nnc.exporters.trt import place
from nnc.runtimes.gpu.driver import Device
from nnc.runtimes.trt import compat
from nnc.runtimes.trt.compat import Library

CONFIG = SimpleNamespace(set_compute_capability=None, create_timing_cache=None)
MODULES = {
    "tensorrt": SimpleNamespace(IBuilderConfig=SimpleNamespace(create_timing_cache=None)),
    "rtx": SimpleNamespace(IBuilderConfig=CONFIG, ComputeCapability=["SM89"]),
}


@pytest.fixture
def machine(monkeypatch):
    """Say which flavours there are and which GPU; builders can be had without one, as on Jetson."""

    class Capabilities:
        SM75 = SM86 = SM89 = None

    MODULES["rtx"].ComputeCapability = Capabilities

    def set_up(*flavours, device=None):
        monkeypatch.setattr(compat, "installed_flavours", lambda: flavours)
        monkeypatch.setattr(place, "first_device", lambda: device)
        monkeypatch.setattr(place, "new_logger", lambda library, sink: None)
        monkeypatch.setattr(place, "new_builder", lambda library, logger: None)
        monkeypatch.setattr(
            place, "load_library", lambda name: Library(name, "10.3.0", "13", MODULES[name])
        )

    return set_up


@pytest.mark.parametrize("target", ["auto", "87"])
def test_a_library_that_needs_a_gpu_is_refused_before_the_build(machine, target):
    machine("tensorrt")
    with pytest.raises(MissingError, match=r"knows none here; .* --flavour rtx") as told:
        place.find_place("tensorrt", target)
    assert told.value.exit_code == 4


def test_auto_takes_the_library_that_builds_without_a_gpu(machine, caplog):
    caplog.set_level("INFO")
    machine("tensorrt", "rtx")
    found = place.find_place("auto", "auto")
    assert found.library.flavour == "rtx"
    assert found.targets == (86, 89)
    assert "none here" in caplog.text
    assert "building with TensorRT for RTX 10.3.0" in caplog.text
    with pytest.raises(MissingError, match=r"TensorRT 10\.3\.0 builds for the GPU"):
        place.find_place("tensorrt", "auto")


def test_auto_is_tensorrt_where_there_is_a_gpu(machine, caplog):
    device = Device("Orin", 87)
    machine("tensorrt", "rtx", device=device)
    found = place.find_place("auto", "auto")
    assert (found.library.flavour, found.device) == ("tensorrt", device)
    assert caplog.text == ""
    with pytest.raises(InputError, match="which is Orin with 87; run this on the machine"):
        place.find_place("auto", "89")


def test_without_either_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(compat, "installed_flavours", lambda: ())
    with pytest.raises(MissingError, match=r"no TensorRT is installed here; .*\[trt\].*\[rtx\]"):
        place.find_place("auto", "auto")
