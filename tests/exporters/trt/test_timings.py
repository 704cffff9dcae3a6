"""TensorRT's timings between builds: kept by library and GPU, and never a reason to fail."""

from __future__ import annotations

from nnc.exporters.trt.timings import Timings


def test_they_are_kept_for_one_library_on_one_gpu(tmp_path) -> None:
    orin = Timings("tensorrt", "10.3.0", "Orin (nvgpu)", tmp_path / "cache")
    assert orin.read() == b""
    orin.keep(b"first")
    orin.keep(b"second")
    assert orin.read() == b"second"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [
        "tensorrt-10.3.0-Orin-nvgpu.timings"
    ]
    assert Timings("tensorrt", "10.3.1", "Orin (nvgpu)", tmp_path / "cache").read() == b""


def test_nothing_is_kept_of_nothing(tmp_path) -> None:
    Timings("tensorrt", "10.3.0", "Orin", tmp_path / "cache").keep(b"")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("in the way")
    Timings("tensorrt", "10.3.0", "Orin", tmp_path / "file").keep(b"timings")
    assert "the timings of this build are not kept" in caplog.text


def test_the_users_cache_folder_is_the_default(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = Timings("tensorrt", "10.3.0", "../../etc/Orin")
    assert found.path.name == "tensorrt-10.3.0-..-..-etc-Orin.timings"
    assert found.path.parent.name == "tensorrt"
