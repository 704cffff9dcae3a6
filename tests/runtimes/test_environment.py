"""The environment record: plain JSON, and no failure whatever the machine lacks."""

from __future__ import annotations

import json

from nnc.runtimes import environment
from nnc.runtimes.gpu.driver import Device


def test_the_record_is_json_and_names_what_matters():
    record = json.loads(json.dumps(environment.describe_environment()))
    assert record["cpu"]
    assert record["cores"]["logical"] >= 1
    assert record["python"].startswith("3.")
    assert "numpy" in record["versions"]


def test_x86_and_arm_flags_get_readable_names(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(environment, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
    cpuinfo.write_text("flags\t\t: fpu sse4_2 avx2 avx512f avx512_vnni\nflags : amx_int8\n")
    assert environment.instruction_sets() == {"sse4_2", "avx2", "avx512f", "avx512_vnni"}
    cpuinfo.write_text("Features\t: fp asimd asimddp i8mm\n")
    assert environment.instruction_sets() == {"neon", "dotprod", "i8mm"}


def test_without_nvidia_smi_the_driver_names_the_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(environment, "first_device", lambda: Device("Orin", 87, "12.6"))
    assert environment.gpu_names() == ["Orin, driver for CUDA 12.6"]


def test_the_digest_tells_machines_apart_and_nothing_of_them(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(environment, "_MACHINE_IDS", (first, second))
    bare = environment.machine_digest()
    second.write_text("0123456789abcdef0123456789abcdef\n")
    one = environment.machine_digest()
    first.write_text("fedcba9876543210fedcba9876543210\n")
    other = environment.machine_digest()
    assert len({bare, one, other}) == 3
    assert environment.machine_digest() == other
    assert len(other) == 16
    int(other, 16)
    monkeypatch.setattr(environment, "_cpu_model", lambda: "another CPU")
    assert environment.machine_digest() != other
    assert environment.describe_environment()["machine"] == environment.machine_digest()


def test_a_machine_that_tells_nothing_is_described_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(environment, "first_device", lambda: None)
    record = environment.describe_environment()
    assert record["cpu"]
    assert record["gpus"] == []
