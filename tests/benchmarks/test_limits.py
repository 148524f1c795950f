"""Which limits the emulator is held to depends on what the processor has, and is said."""

import importlib.util
import sys

import pytest
from support.suite_run import ROOT

from conformance.machine import in_words, instructions
from conformance.precision import PRECISIONS

CPUINFO = "model name\t: Some CPU\nflags\t\t: fpu sse2 avx512f {flags}\n"


@pytest.fixture
def emulator_speed(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    path = ROOT / "benchmarks/test_emulator_speed.py"
    spec = importlib.util.spec_from_file_location("emulator_speed", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "emulator_speed", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("flags", "integer", "words"),
    [
        ("avx512_vnni amx_tile amx_int8", True, "a processor with AVX-512 VNNI and AMX"),
        ("avx512_vnni", True, "a processor with AVX-512 VNNI."),
        ("amx_int8", True, "a processor with AMX."),
        ("avx512_bf16 avx512_vnnix", False, "a processor with neither AVX-512 VNNI nor AMX"),
    ],
)
def test_limits_are_those_of_the_processor(emulator_speed, tmp_path, flags, integer, words):
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags=flags))
    said, found = emulator_speed.limits(instructions(tmp_path / "cpuinfo"))
    assert words in said
    assert found is (emulator_speed.INTEGER if integer else emulator_speed.FLOATING_POINT)
    assert found.keys() == {str(precision) for precision in PRECISIONS}


def test_integer_limits_are_no_laxer(emulator_speed):
    for name, limit in emulator_speed.INTEGER.items():
        assert limit <= emulator_speed.FLOATING_POINT[name]


def test_the_machine_is_named_with_what_decides_times(tmp_path):
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags="avx512_vnni") * 2)
    said = in_words(tmp_path / "cpuinfo")
    assert said.startswith("Some CPU, ")
    assert " cores, with AVX-512 VNNI, without AMX; TensorFlow 2." in said
    assert instructions(tmp_path / "missing") == ()
