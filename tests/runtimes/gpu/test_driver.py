"""Asking NVIDIA's driver which GPU there is: every answer it may give, and none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nnc.runtimes.gpu import driver as cuda_driver
from nnc.runtimes.gpu.driver import Device, first_device


def driver(**failing):
    """A driver with an Orin; the calls named in ``failing`` return what stands there."""

    def answer(name, write):
        def call(*arguments):
            if name in failing:
                return failing[name]
            write(*arguments)
            return 0

        return call

    def number(value):
        return lambda target, *_: setattr(target._obj, "value", value)

    def attribute(target, which, _device):
        target._obj.value = {75: 8, 76: 7}[which]

    return SimpleNamespace(
        cuInit=answer("cuInit", lambda _flags: None),
        cuDeviceGet=answer("cuDeviceGet", number(0)),
        cuDeviceGetName=answer(
            "cuDeviceGetName", lambda buffer, _size, _device: setattr(buffer, "value", b"Orin")
        ),
        cuDeviceGetAttribute=answer("cuDeviceGetAttribute", attribute),
        cuDriverGetVersion=answer("cuDriverGetVersion", number(12060)),
    )


def test_a_gpu(monkeypatch):
    monkeypatch.setattr(cuda_driver, "_driver", driver)
    assert first_device() == Device("Orin", 87, "12.6")


@pytest.mark.parametrize("call", ["cuInit", "cuDeviceGet", "cuDeviceGetAttribute"])
def test_a_driver_without_a_gpu(monkeypatch, call):
    monkeypatch.setattr(cuda_driver, "_driver", lambda: driver(**{call: 100}))
    assert first_device() is None


def test_no_driver_and_one_that_is_none(monkeypatch):
    monkeypatch.setattr(cuda_driver, "_driver", lambda: None)
    assert first_device() is None
    monkeypatch.setattr(cuda_driver, "_driver", lambda: SimpleNamespace(cuInit=lambda _: 0))
    assert first_device() is None
