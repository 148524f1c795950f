"""The driver on stock TensorFlow 1.15, and isolated devices: the contract, and a run of the suite."""

import functools

import pytest
from support.kept_network import KEY_NODES, kept_network
from support.stock_interpreter import stock_options
from support.suite_run import run_suite

from conformance.devices.base import DeviceRequest, Hosted, Unsupported
from conformance.devices.contract import ContractBroken, check_device
from conformance.devices.registry import open_device
from conformance.errors import InfrastructureError
from conformance.runs.directory import read_environment


def test_an_isolated_emulator_keeps_the_contract():
    check_device(functools.partial(open_device, DeviceRequest("emulator", isolate=True)))


def test_the_driver_keeps_the_contract_on_stock_tensorflow(tmp_path):
    """But for the precision: it computes in float32, whatever is asked for."""
    request = DeviceRequest("cambricon", options=stock_options(tmp_path))
    with pytest.raises(ContractBroken) as found:
        check_device(functools.partial(open_device, request))
    assert set(found.value.report.broken) == {"precision"}


@pytest.fixture
def run(tmp_path):
    """Run the suite on the small network through the driver."""
    options = stock_options(tmp_path / "locks")

    def run_with(*arguments, markers="mlu and own"):
        given = [f"--device-option={key}={value}" for key, value in options.items()]
        network = kept_network()
        return run_suite(
            tmp_path / "run", "--device=cambricon", *given, *arguments, network=network, markers=markers
        )

    return run_with


def test_what_is_float32_anyway_conforms_and_the_records_say_stock(run):
    result = run()
    floats = [item for item in result.records if item.precision.endswith("fp32") and item.op != "Conv2D"]
    # its Tanh, a rational approximation, may miss the bound of float32, which is one rounding
    assert {record.node for record in floats if record.outcome != "conforms"} <= {"out"}
    assert all(item.outcome == "deviates" for item in result.records if item.op == "Conv2D"), "no fixed point"
    assert len(result.records) == KEY_NODES * 4
    assert {record.device for record in result.records} == {"cambricon-stock"}
    assert all(record.simulated for record in result.records)
    assert "stock TensorFlow 1.15.5 in place of Cambricon's" in result.text


def test_the_environment_names_what_the_framework_saw(run):
    result = run(markers="mlu and own and int16 and fp32")
    settings = read_environment(result.directory).device["settings"]["int16-fp32"]
    assert settings["MLU_OP_PRECISION"] == "float32"
    assert settings["MLU_STATIC_NODE_FUSION"] == "true (layer by layer: false)"
    assert settings["core_num"] == "1"
    assert {path.suffix for path in (result.directory / "logs").iterdir()} == {".log", ".txt"}


def test_layer_by_layer_is_recorded(run):
    result = run("--layer-by-layer", markers="mlu and own and int16 and fp32")
    assert {record.fusion for record in result.records} == {"layer by layer"}
    assert [path.name for path in (result.directory / "logs").glob("*-layers-*.log")]


def test_calibration_is_unsupported(run):
    result = run(markers="mlu and calibration")
    assert {record.outcome for record in result.records} == {"unsupported"}
    assert result.code == 3  # nothing was judged


def test_without_leave_stock_tensorflow_is_refused(tmp_path):
    options = stock_options(tmp_path)
    del options["allow-stock"]
    with pytest.raises(InfrastructureError, match="no Cambricon card is visible"):
        open_device(DeviceRequest("cambricon", options=options))


def test_operator_types_can_be_left_to_the_host_but_not_single_nodes(tmp_path):
    device = open_device(DeviceRequest("cambricon", options=stock_options(tmp_path)))
    try:
        settings = device.hosting(Hosted(frozenset({"Mean"}))).info().settings["int8-fp16"]
        assert settings["optype_black_list"] == "Mean"
        with pytest.raises(Unsupported, match="not single nodes"):
            device.hosting(Hosted(nodes=frozenset({"norm/mean"})))
    finally:
        device.close()
