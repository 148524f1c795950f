"""Causes that a probe measured: a sum in half is stated where it is one, and dropped where it is none."""

import msgspec
import numpy as np
import pytest
from support.kept_network import kept_network

from conformance import cli
from conformance.diagnosis.evidence.running_sum import half_sum, terms_of
from conformance.diagnosis.measured import as_measured
from conformance.precision import parse_precision
from conformance.probing.result import Probe, Property

PRECISION = parse_precision("int8-fp16")
WORDS = "summed one after the other, kept in"


def probe_of(kept, digits, confirmed="72 of 72 sums bit for bit", precisions=("int8-fp16", "int16-fp16")):
    found = Property(
        subject="Mean",
        precisions=list(precisions),
        words=f"{WORDS} {kept}",
        digits=digits,
        confirmed=confirmed,
    )
    return Probe(
        date="2026-11-28",
        device={},
        answers=[],
        base="mlu270",
        compilations={},
        seconds=1.0,
        properties=[found],
    )


HALF, SINGLE = probe_of("a half (11 digits)", 11), probe_of("float32 (24 digits)", 24)


def reasons(values):
    found = half_sum("norm/mean", terms_of(np.asarray(values, np.float32), [0]), mean=True)
    assert found
    return found


STAGNATING, OVERFLOWING = np.ones((8000, 1)), np.full((3000, 1), 40.0)


@pytest.mark.parametrize("values", [STAGNATING, OVERFLOWING], ids=["stagnating", "overflowing"])
def test_a_sum_in_half_is_stated_as_measured(values):
    supposed = reasons(values)
    found = as_measured(supposed, "Mean", PRECISION, HALF)
    assert [item.kind for item in found] == [item.kind for item in supposed]
    for item in found:
        assert "as a probe of 2026-11-28 measured" in item.sentence
        assert "if the sum is kept" not in item.sentence.lower()
        assert "if the running sum is kept" not in item.sentence.lower()


@pytest.mark.parametrize("values", [STAGNATING, OVERFLOWING], ids=["stagnating", "overflowing"])
def test_a_sum_in_float32_is_no_cause(values):
    (found,) = as_measured(reasons(values), "Mean", PRECISION, SINGLE)
    assert found.sentence == (
        f"A running sum in half is not the cause: Mean is {WORDS} float32 (24 digits), as a probe of "
        "2026-11-28 measured."
    )


@pytest.mark.parametrize(
    ("op", "probe"),
    [
        ("Sum", HALF),
        ("Mean", probe_of("a half", 11, confirmed="")),
        ("Mean", probe_of("a half", 11, precisions=["int8-fp32"])),
    ],
    ids=["another operator", "not confirmed", "another precision"],
)
def test_what_was_not_measured_is_supposed(op, probe):
    supposed = reasons(STAGNATING)
    assert as_measured(supposed, op, PRECISION, probe) == supposed


def test_a_probe_is_read_and_a_wrong_one_refused(tmp_path, capsys):
    kept = kept_network()
    file = tmp_path / "found.json"
    options = ["--precision=int8-fp16", f"--golden-dir={kept.goldens}", f"--output={tmp_path / 'out'}"]
    file.write_bytes(b"{}")
    assert cli.main(["diagnose", str(kept.directory), f"--with-probe={file}", *options]) == 4
    assert f"probe {file}" in capsys.readouterr().err
    file.write_bytes(msgspec.json.encode(HALF))
    assert (
        cli.main(["diagnose", str(kept.directory), "--device=emulator", f"--with-probe={file}", *options])
        == 0
    )
    assert cli.main(["diagnose", "--from-run=run", f"--with-probe={file}"]) == 4
    assert "contradict each other" in capsys.readouterr().err
