"""The card as a device: which card, which worker, what it is told, and what is left when it ends."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.fake_worker import Fault, fake_vendor, started_groups
from support.processes import group_lives
from support.refusals import refused

from conformance.devices.base import DeviceLost, Hosted, KeepsLogs, Unsupported
from conformance.devices.cambricon.card_lock import card_owner, take_card
from conformance.devices.cambricon.cards import Card, Survey
from conformance.devices.cambricon.driver import CambriconDevice, usable_cards
from conformance.devices.worker.session import _probe_graph
from conformance.errors import DeviceError, InfrastructureError, UsageError
from conformance.graph import frozen as frozen_module
from conformance.precision import PRECISIONS, parse_precision
from conformance.quantization.parameter_file import QuantizationScales, read

CARD = Card(0, Path("/dev/cambricon_dev0"), "MLU270-S4", "v4.9.2", "v1.1.4", "SN7", "0000:01:00.0")
DARK = Card(1, None, "MLU270-S4", bus="0000:02:00.0")
SEVENTH = Card(7, Path("/dev/cambricon_dev7"))
NONE = Survey((), "", "", ("/dev/cambricon_dev*: none", "lspci -d cabc:: none"))
ONE = Survey((CARD, DARK), "v4.9.2", "1.7.3", ("/dev/cambricon_dev*: cambricon_dev0",))
SCALES = QuantizationScales(8, {"a/input": 2.0, "a/filter": 3.5})
FP16, FP32 = parse_precision("int8-fp16"), parse_precision("int16-fp32")
FEEDS = {"probe": np.full((1, 4), 2.0, np.float32)}


@pytest.fixture
def device(tmp_path):
    """Make a device of a fake vendor; see that it leaves no process and no lock behind."""
    made = []

    def make(*faults, cards=NONE, stock=True, **options):
        python = fake_vendor(tmp_path / "vendor", *faults, greeting={"stock": stock})
        given = {"python": str(python), "lock-dir": str(tmp_path / "locks"), "allow-stock": "1"}
        options = {key.replace("_", "-") if key.islower() else key: value for key, value in options.items()}
        made.append(CambriconDevice(given | options, timeout=30.0, look=lambda: cards))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.close()
    assert not [group for group in started_groups(tmp_path / "vendor") if group_lives(group)]
    assert card_owner(0, tmp_path / "locks") is None


def environment(tmp_path):
    """Return the environment of the worker that was started last."""
    return json.loads((tmp_path / "vendor/environment.json").read_text())


def opened(device, precision=FP16, scales=SCALES, *, fuse=True):
    return device.open(_probe_graph(), ["sum"], precision=precision, scales=scales, fuse=fuse)


def test_stock_tensorflow_is_a_kind_of_its_own_and_simulated(device):
    info = device().info()
    assert (info.kind, info.simulated) == ("cambricon-stock", True)
    assert info.framework == "tensorflow 1.15.0 (Python 3.7.9)"


def test_a_card_is_named_with_all_its_versions(device):
    info = device(cards=ONE, stock=False, allow_stock="0").info()
    assert (info.kind, info.model, info.simulated) == ("cambricon", "MLU270-S4", False)
    assert (info.driver, info.firmware, info.runtime, info.serial) == (
        "v4.9.2",
        "v1.1.4",
        "Neuware 1.7.3",
        "SN7",
    )


def test_what_the_framework_sees_is_recorded_per_precision(device):
    settings = device(optype_black_list="Mean", CNML_LOG="2").info().settings
    assert settings.keys() == set(map(str, PRECISIONS))
    assert settings["int16-fp32"]["MLU_OP_PRECISION"] == "float32"
    assert settings["int16-fp32"]["MLU_QUANT_PARAM"] == "int16.quant.txt"
    assert settings["int8-fp16"]["optype_black_list"] == "Mean"
    assert settings["int8-fp16"]["core_num"] == "1"
    assert settings["int8-fp16"]["CNML_LOG"] == "2"


@pytest.mark.parametrize(
    ("cards", "options", "sentence"),
    [
        (NONE, {}, r"no Cambricon card is visible \(/dev/cambricon_dev\*: none; .*=emulator to emulate"),
        (Survey((DARK,), "", "", ()), {}, r"can be used: card 1 MLU270-S4 0000:02:00.0 without device file"),
        (ONE, {"card": "1"}, r"of those asked for \(1\) can be used: card 0 .*; card 1 .*choose another"),
    ],
)
def test_a_card_that_is_not_there_or_cannot_be_used(device, cards, options, sentence):
    with pytest.raises(InfrastructureError, match=sentence):
        device(cards=cards, allow_stock="0", **options)


def test_any_number_may_be_locked_where_stock_tensorflow_may_do():
    assert usable_cards(NONE, None, allow_stock=True) == [0]
    assert usable_cards(NONE, (2, 3), allow_stock=True) == [2, 3]
    assert usable_cards(ONE, None, allow_stock=False) == [0]


def test_the_vendors_tensorflow_without_a_card_is_refused_even_if_stock_would_do(device):
    with pytest.raises(InfrastructureError, match="no Cambricon card is visible"):
        device(cards=NONE, stock=False)


def test_the_vendors_tensorflow_does_not_run_on_a_number_that_is_no_card(device):
    with pytest.raises(InfrastructureError, match=r"card 0 cannot be used, but 7 can; drop .*allow-stock=1"):
        device(cards=Survey((SEVENTH,), "", "", ()), stock=False)


def test_a_card_is_one_devices_own(device, tmp_path):
    first = device()
    with pytest.raises(InfrastructureError, match=r"card 0 is taken by process \d+ of"):
        device()
    second = device(card="0,1")
    assert environment(tmp_path)["MLU_VISIBLE_DEVICES"] == "1"
    first.close()
    assert card_owner(0, tmp_path / "locks") is None
    assert card_owner(1, tmp_path / "locks") is not None
    second.close()


@pytest.mark.parametrize("greeting", [{"stock": "maybe"}, {"tensorflow": None}, {"python": 3}])
def test_a_greeting_that_makes_no_sense_gives_card_and_process_back(tmp_path, greeting):
    python = fake_vendor(tmp_path / "vendor", greeting=greeting)
    options = {"python": str(python), "lock-dir": str(tmp_path / "locks"), "allow-stock": "1"}
    with pytest.raises(DeviceError, match="the Cambricon worker does not say what it is: Expected"):
        CambriconDevice(options, look=lambda: NONE)
    assert card_owner(0, tmp_path / "locks") is None
    (group,) = started_groups(tmp_path / "vendor")
    assert not group_lives(group)


def test_a_worker_that_cannot_start_gives_the_card_back(device, tmp_path):
    with pytest.raises(DeviceLost):
        device(Fault("exit", at="hello"))
    take_card([0], tmp_path / "locks").close()


def test_one_worker_serves_one_precision_and_is_told_so(device, tmp_path):
    ours = device()
    for precision, fuse in ((FP16, True), (FP32, True), (FP32, False)):
        with opened(ours, precision, QuantizationScales(precision.fixed_bits, {}), fuse=fuse) as session:
            assert session.run(FEEDS)["sum"].tolist() == [[3.5] * 4]
            assert session.device_seconds == 1e-3
        seen = environment(tmp_path)
        assert seen["MLU_OP_PRECISION"] == f"float{precision.float_bits}"
        assert seen["MLU_STATIC_NODE_FUSION"] == str(fuse).lower()
    with opened(ours, FP32, QuantizationScales(16, {}), fuse=False) as session:
        session.run(FEEDS)
    assert len(started_groups(tmp_path / "vendor")) == 3


def test_a_worker_serves_whatever_changes_in_our_own_environment(device, tmp_path, monkeypatch):
    ours = device()
    for value in ("one", "two"):
        monkeypatch.setenv("PYTEST_CURRENT_TEST", value)
        with opened(ours) as session:
            session.run(FEEDS)
    assert len(started_groups(tmp_path / "vendor")) == 2  # the first one had other scales


def test_the_parameter_file_is_a_fresh_copy_at_every_start(device, tmp_path):
    ours = device(Fault("segv", node="sum", times=1))
    ours.keep_logs(tmp_path / "logs")
    with opened(ours) as session:
        path = Path(environment(tmp_path)["MLU_QUANT_PARAM"])
        assert path.parent == tmp_path / "logs"
        assert read(path) == SCALES
        path.write_text("bit_width:8\nscale_map:\n{\nstale/input:1\n}\n")  # as the framework might
        session.run(FEEDS)
    with opened(ours) as session:
        session.run(FEEDS)
    assert read(path) == SCALES
    assert isinstance(ours, KeepsLogs)


def test_the_users_own_parameter_file_is_copied_and_never_changed(device, tmp_path):
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("bit_width:8\n")
    ours = device(MLU_QUANT_PARAM=str(theirs))
    with opened(ours):
        path = Path(environment(tmp_path)["MLU_QUANT_PARAM"])
        assert path != theirs
        assert path.read_text() == "bit_width:8\n"


def test_a_parameter_file_that_is_not_there_is_one_sentence(device, tmp_path):
    sentence = (
        "--device-option MLU_QUANT_PARAM: the file .*none.txt cannot be read: No such file or directory"
    )
    with pytest.raises(UsageError, match=sentence):
        device(MLU_QUANT_PARAM=str(tmp_path / "none.txt"))
    take_card([0], tmp_path / "locks").close()


def test_preprocessing_twice_is_refused(device):
    folded = QuantizationScales(8, {}, convfirst=("{", "node_name: a", "}"))
    with pytest.raises(UsageError, match="convfirst_param block, so the card would preprocess pixels"):
        opened(device(), scales=folded)


def build_two_layers(tf):
    x = placeholder(tf, shape=(1, 20))
    first = tf.linalg.matmul(x, tf.constant(np.ones((20, 30), np.float32)), name="first")
    tf.linalg.matmul(first, tf.constant(np.ones((30, 20), np.float32)), name="second")


def test_constants_that_tensorflow_1_cannot_hold_are_refused_before_it_tries(device, monkeypatch):
    graph, opened = frozen(build_two_layers, "second"), device()
    monkeypatch.setattr(frozen_module, "LARGEST_MESSAGE", graph.constant_bytes - 1)
    with refused(
        r"^the graph has constants of 4,800 bytes, but TensorFlow 1 takes 4,799 at most; judge own errors of "
        "fewer nodes at a time, with --nodes$",
        Unsupported,
    ):
        opened.open(graph, ["second"], precision=FP16, scales=SCALES)
    part = graph.prune(["first"])
    with opened.open(part, ["first"], precision=FP16, scales=SCALES) as session:
        assert session.problems == {}


def test_a_session_says_what_it_ran_on(device):
    ours = device(MLU_OP_PRECISION="float32")
    stock, contradiction = opened(ours).notes
    assert stock.startswith("stock TensorFlow 1.15.0 in place of Cambricon's")
    assert contradiction == "MLU_OP_PRECISION is float32 by --device-option, so int8-fp16 ran as float32"
    assert opened(ours, FP32, QuantizationScales(16, {})).notes == (stock,)


def test_operators_are_left_to_the_host_by_type_only(device):
    ours = device(optype_black_list="Tanh")
    hosting = ours.hosting(Hosted(operators=frozenset({"Mean", "Tanh"})))
    assert hosting.info().settings["int8-fp16"]["optype_black_list"] == "Tanh,Mean"
    assert ours.info().settings["int8-fp16"]["optype_black_list"] == "Tanh"
    with pytest.raises(Unsupported, match="not single nodes"):
        ours.hosting(Hosted(nodes=frozenset({"a"})))


def test_a_closed_device_may_still_be_asked_what_it_is(device):
    ours = device()
    info = ours.info()
    ours.close()
    assert ours.info() == info
