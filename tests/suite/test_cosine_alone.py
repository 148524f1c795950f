"""An acceptance of cosine alone does not see how large an output is, and a run warns where that differs."""

import pytest
from support.suite_run import run_suite

WARNING = "times as large as its golden (norms), which a cosine does not see; add psnr to [acceptance]"


@pytest.fixture(scope="module")
def of_direction(network, tmp_path_factory):
    """The small network, which accepts a cosine alone."""
    return accepting(network, tmp_path_factory.mktemp("direction"), "")


def accepting(network, to, psnr):
    """Return a copy of the small network with another PSNR in its acceptance."""
    kept = network.copied(to)
    description = kept.directory / "network.toml"
    text = description.read_text()
    assert "psnr = 20.0\n" in text
    description.write_text(text.replace("psnr = 20.0\n", psnr))
    return kept


def judged(tmp_path, network, fault):
    arguments = (f"--device=suite.faulty_devices:{fault}",)
    return run_suite(
        tmp_path / "run", *arguments, network=network, markers="mlu and fused and int16 and fp32"
    )


def assert_held_to_right_devices_alone(result):
    """No right device gives such an output; what the network accepts has nothing to say of it."""
    assert result.code == 1
    for record in result.records:
        assert record.outcome == "deviates"
        assert record.reasons
        assert all("an ideal int16-fp32 device" in reason for reason in record.reasons)


@pytest.mark.parametrize("fault", ["output_larger_by_a_third", "output_smaller_by_a_third"])
def test_a_wrong_size_meets_the_acceptance_with_a_warning(of_direction, tmp_path, fault):
    result = judged(tmp_path, of_direction, fault)
    assert_held_to_right_devices_alone(result)
    (warning,) = [line for line in result.text.splitlines() if line.startswith("note: out (sample")]
    assert warning.endswith(WARNING)
    assert "is 1.33 " in warning or "is 0.667 " in warning
    assert all(record.notes for record in result.records)


def test_a_size_within_a_hundredth_is_no_reason_to_warn(of_direction, tmp_path):
    result = judged(tmp_path, of_direction, "output_larger_by_a_little")
    assert_held_to_right_devices_alone(result)
    assert WARNING not in result.text


def test_where_a_psnr_is_demanded_too_it_decides(network, tmp_path):
    demanding = accepting(network, tmp_path / "demanding", "psnr = 60.0\n")
    result = judged(tmp_path, demanding, "output_larger_by_a_third")
    assert (result.code, WARNING in result.text) == (1, False)
    assert "reaches a PSNR of" in result.text


def test_diagnose_warns_below_its_verdict(of_direction, said, tmp_path):
    device = ("--device=suite.faulty_devices:output_larger_by_a_third", "--precision=int16-fp32")
    where = (of_direction.directory, "--golden-dir", of_direction.goldens, "-o", tmp_path / "diagnosis")
    code, text, _ = said("diagnose", *device, *where)
    assert code == 0
    good, warning = text.splitlines()[:2]
    assert "is good enough: cosine" in good
    assert warning.startswith("Warning: out")
    assert warning.endswith(f"{WARNING}.")
