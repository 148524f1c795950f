"""What the project's own waivers cover, no other fault hides behind: results of nothing, or far too large."""

import re

import pytest
from support.suite_run import run_suite

from conformance import locations

OWN = ("mobilenet", "--nodes=MobilenetV1/Logits/AvgPool", "mlu and own and int8 and fp16", "average-pool")
FUSED = ("lstm", "--nodes=answer", "mlu and fused and int8 and fp32 and not benchmark", "lstm-int8")


@pytest.fixture
def waivers(tmp_path):
    """The emulator's waivers, for any device."""
    text = (locations.WAIVERS / "mlu270.toml").read_text(encoding="utf-8")
    path = tmp_path / "waivers.toml"
    path.write_text(re.sub(r'(?m)^profile = "mlu270"\n', "", text), encoding="utf-8")
    return path


@pytest.mark.parametrize("fault", ["zeroed_at", "a_million_times_at"])
@pytest.mark.parametrize(("network", "nodes", "markers", "waiver"), [OWN, FUSED])
def test_a_waived_node_that_is_zeroed_or_a_million_times_too_large_deviates(
    tmp_path, waivers, network, nodes, markers, waiver, fault
):
    device = f"--device=suite.faulty_devices:{fault}_{nodes.rpartition('/')[2].removeprefix('--nodes=')}"
    result = run_suite(
        tmp_path / "run", f"--network={network}", nodes, device, f"--waivers={waivers}", markers=markers
    )
    assert result.code == 1
    node = nodes.removeprefix("--nodes=")
    assert {record.outcome for record in result.records if record.node == node} == {"deviates"}
    assert f"waiver '{waiver}" in result.text
    assert "does not cover this: it covers" in result.text
