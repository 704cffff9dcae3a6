"""What a CPU is called, and which int8 kernels it has."""

from __future__ import annotations

import pytest

from nnc.runtimes import cpu, environment

ORIN = """processor\t: 0
Features\t: fp asimd asimdhp asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd42
CPU revision\t: 1

processor\t: 1
CPU implementer\t: 0x41
CPU part\t: 0xd42
"""
TWO_KINDS = ORIN.replace("0xd42", "0xd05", 1)


@pytest.fixture(autouse=True)
def board(tmp_path, monkeypatch):
    path = tmp_path / "model"
    monkeypatch.setattr(cpu, "_BOARD", path)
    return path


def test_an_arm_cpu_is_called_by_its_cores_and_its_board(board) -> None:
    assert cpu.arm_name(ORIN) == "Cortex-A78AE"
    assert cpu.arm_name(TWO_KINDS) == "Cortex-A55 + Cortex-A78AE"
    board.write_bytes(b"NVIDIA Jetson Orin Nano\0")
    assert cpu.arm_name(ORIN) == "Cortex-A78AE (NVIDIA Jetson Orin Nano)"
    assert cpu.arm_name("") == "NVIDIA Jetson Orin Nano"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", ""),
        ("model name : some x86\nflags : avx2\n", ""),
        ("CPU implementer : 0x41\nCPU part : 0xfff\n", "ARM part 0xfff"),
        ("CPU implementer : 0xc0\nCPU part : 0xac3\n", "Ampere part 0xac3"),
        ("CPU implementer : 0x99\nCPU part : 0x1\n", "implementer 0x99 part 0x1"),
        ("CPU implementer : nonsense\nCPU part : 0x1\n", ""),
    ],
)
def test_what_is_not_known_is_said_in_numbers(text, name) -> None:
    assert cpu.arm_name(text) == name


def test_cores_that_share_one_are_counted_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cpu, "_TOPOLOGY", tmp_path)
    assert cpu.topology_cores() is None
    for number in range(4):
        topology = tmp_path / f"cpu{number}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text("0\n")
        (topology / "core_id").write_text(f"{number // 2}\n")
    (tmp_path / "cpufreq").mkdir()
    assert cpu.topology_cores() == 2


def test_the_environment_names_an_arm_cpu(tmp_path, monkeypatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(ORIN)
    monkeypatch.setattr(environment, "_CPUINFO", cpuinfo)
    assert environment.describe_environment()["cpu"] == "Cortex-A78AE"


@pytest.mark.parametrize(
    ("sets", "machine", "target"),
    [
        ({"avx2"}, "x86_64", "avx2"),
        ({"avx2", "AVX512_VNNI"}, "x86_64", "vnni"),
        ({"neon"}, "aarch64", "arm64"),
        ((), "arm64", "arm64"),
        ((), "", cpu.int8_target(())),
    ],
)
def test_int8_kernels_by_cpu(sets, machine, target) -> None:
    assert cpu.int8_target(sets, machine) == target
