"""What ``--device-option`` means to the card's driver, and the environment that the framework sees."""

from pathlib import Path

import pytest

from conformance.devices.cambricon.options import KNOWN, CambriconOptions, parse_options
from conformance.errors import UsageError
from conformance.precision import PRECISIONS, parse_precision

BASE = {"PATH": "/bin", "PYTHONPATH": "/ours", "PYTHONHOME": "/ours", "VIRTUAL_ENV": "/ours", "LANG": "C"}
FP16, FP32 = parse_precision("int8-fp16"), parse_precision("int16-fp32")
FILE = Path("/run/int8.quant.txt")


def test_nothing_given_is_the_defaults():
    assert parse_options({}) == CambriconOptions()
    assert (CambriconOptions().core_num, CambriconOptions().core_version) == (1, "MLU270")


def test_every_known_option_is_understood():
    options = parse_options(
        {
            "python": "python3.6",
            "allow-stock": "yes",
            "card": "0,2",
            "lock-dir": "/locks",
            "core-num": "16",
            "core-version": "MLU290",
            "optype-black-list": "Mean,Tanh",
            "offline": "1",
            "CNML_LOG": "2",
        }
    )
    assert options == CambriconOptions(
        python="python3.6",
        allow_stock=True,
        cards=(0, 2),
        lock_dir=Path("/locks"),
        core_num=16,
        core_version="MLU290",
        optype_black_list="Mean,Tanh",
        offline=True,
        variables={"CNML_LOG": "2"},
    )


@pytest.mark.parametrize(
    ("text", "truth"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False)]
)
def test_true_and_false_in_words(text, truth):
    assert parse_options({"allow-stock": text}).allow_stock is truth


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"alow-stock": "1"}, r"'alow-stock' is unknown to device 'cambricon' \(near names: allow-stock\)"),
        ({"frequency": "1"}, f"known are {', '.join(KNOWN)}, and environment variables in capitals"),
        ({"Mlu_Op": "1"}, "'Mlu_Op' is unknown"),
        ({"allow-stock": "maybe"}, "allow-stock=maybe is neither true nor false; give 1 or 0"),
        ({"offline": "perhaps"}, "offline=perhaps is neither true nor false; give 1 or 0"),
        ({"card": "first"}, "card=first is no card number; give one like 0, or several like 0,1"),
        ({"card": "0,"}, "card=0, is no card number"),
        ({"card": "-1"}, "card=-1 is no card number"),
        ({"core-num": "2"}, "core-num=2 is none of 1, 4, 16; give one"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(given, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse_options(given)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_the_framework_is_told_card_precision_fusion_and_file(precision, fuse):
    environment = CambriconOptions().environment(BASE, 3, precision, FILE, fuse=fuse)
    assert {name: value for name, value in environment.items() if name.startswith("MLU_")} == {
        "MLU_VISIBLE_DEVICES": "3",
        "MLU_RUNNING_MODE": "1",
        "MLU_STATIC_NODE_FUSION": "true" if fuse else "false",
        "MLU_OP_PRECISION": f"float{precision.float_bits}",
        "MLU_QUANT_PARAM": str(FILE),
    }


def test_what_leads_the_vendors_python_astray_is_not_passed_on():
    environment = CambriconOptions().environment(BASE, 0, FP16, FILE, fuse=True)
    assert {name for name in BASE if name in environment} == {"PATH", "LANG"}


def test_our_own_silence_is_not_the_vendors():
    quiet = BASE | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    assert "TF_CPP_MIN_LOG_LEVEL" not in CambriconOptions().environment(quiet, 0, FP16, FILE, fuse=True)
    options = parse_options({"TF_CPP_MIN_LOG_LEVEL": "1"})
    assert options.environment(quiet, 0, FP16, FILE, fuse=True)["TF_CPP_MIN_LOG_LEVEL"] == "1"


def test_variables_win_over_the_drivers_but_the_file_is_always_a_copy():
    options = parse_options({"MLU_OP_PRECISION": "float32", "CNML_LOG": "2", "MLU_QUANT_PARAM": "/theirs"})
    environment = options.environment(BASE | {"CNML_LOG": "1"}, 0, FP16, FILE, fuse=True)
    assert environment["MLU_OP_PRECISION"] == "float32"
    assert environment["CNML_LOG"] == "2"
    assert environment["MLU_QUANT_PARAM"] == str(FILE)


def test_calibration_runs_on_the_cpu():
    environment = CambriconOptions().calibration_environment(BASE, FILE)
    assert (environment["MLU_VISIBLE_DEVICES"], environment["MLU_RUNNING_MODE"]) == ("", "0")
    assert environment["MLU_QUANT_PARAM"] == str(FILE)


def test_a_variable_that_contradicts_the_precision_is_noted():
    options = parse_options({"MLU_OP_PRECISION": "float32"})
    environment = options.environment(BASE, 0, FP16, FILE, fuse=True)
    assert options.contradictions(environment, FP32) == []
    assert options.contradictions(environment, FP16) == [
        "MLU_OP_PRECISION is float32 by --device-option, so int8-fp16 ran as float32"
    ]
