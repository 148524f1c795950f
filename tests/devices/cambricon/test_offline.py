"""Offline models of a fake vendor: kept, hashed, held against the network; misfits are incidents."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.fake_worker import fake_vendor
from support.refusals import refused
from support.twins_files import twins_text

from conformance.devices.cambricon.cards import Card, Survey
from conformance.devices.cambricon.driver import CambriconDevice
from conformance.errors import UsageError
from conformance.files import sha256
from conformance.graph.cut import cut
from conformance.graph.editing import plain
from conformance.precision import parse_precision
from conformance.quantization.parameter_file import QuantizationScales

SHAPE, OUT = (1, 4, 4, 2), (1, 2)
ONE = Survey((Card(0, Path("/dev/cambricon_dev0"), "MLU270-S4"),), "v4.9.2", "1.7.3", ())
FP16 = parse_precision("int8-fp16")
MODEL, TWINS = ".cambricon", ".cambricon_twins"
FITTING = twins_text(([SHAPE], [(1, 1, 1, 2)]))


def build(tf):
    x = placeholder(tf, shape=SHAPE)
    tf.reduce_mean(tf.nn.relu(x, name="relu"), [1, 2], name="out")


@pytest.fixture
def graph():
    return frozen(build, "out")


@pytest.fixture
def opened(tmp_path, graph):
    """Open a network on a fake card that saves files, given by suffix, and return the session."""
    made = []

    def make(files, *, network=graph, logs=True, fuse=True, **options):
        x = np.ones(SHAPE, np.float32)
        table = {"0|x": x, "0|out": np.ones(OUT, np.float32), "0|relu": x}
        python = fake_vendor(tmp_path / "vendor", table=table, greeting={"stock": False}, offline=files)
        given = {"python": str(python), "lock-dir": str(tmp_path / "locks"), "offline": "1"}
        options = {key.replace("_", "-"): value for key, value in options.items()}
        made.append(CambriconDevice(given | options, timeout=30.0, look=lambda: ONE))
        if logs:
            made[-1].keep_logs(tmp_path / "logs")
        scales = QuantizationScales(8, {})
        return made[-1].open(network, network.outputs, precision=FP16, scales=scales, fuse=fuse)

    yield make
    for device in made:
        device.close()


def ended(session, **feeds):
    """Run a session once and close it, twice; return its last note and its incidents."""
    session.run(feeds or {"x": np.ones(SHAPE, np.float32)})
    session.close()
    session.close()
    return session.notes, session.incidents


def kept(tmp_path):
    return sorted((tmp_path / "logs/offline").iterdir())


def test_an_offline_model_is_kept_with_its_hashes_and_what_it_says_of_itself(opened, tmp_path, graph):
    (note,), incidents = ended(opened({MODEL: "binary", TWINS: FITTING}))
    assert incidents == []
    name = f"int8-fp16-{graph.sha256[:8]}"
    assert [path.name for path in kept(tmp_path)] == [f"{name}{end}" for end in (MODEL, TWINS, ".json")]
    assert note.endswith(
        f"{name}.cambricon kept, SHA-256 {sha256(b'binary')}: subnet0 takes 1x4x4x2 FLOAT16 NHWC, gives "
        "1x1x1x2 FLOAT16 NHWC, core limit 1"
    )
    written = json.loads(kept(tmp_path)[2].read_text())
    assert written["sha256"] == {
        f"{name}{MODEL}": sha256(b"binary"),
        f"{name}{TWINS}": sha256(FITTING.replace("{name}", name).encode()),
    }
    assert written["twins"]["functions"][0]["outputs"][0]["shape"] == [1, 1, 1, 2]


def test_the_option_is_recorded_and_off_by_default(opened, tmp_path):
    assert opened({}).notes == ()
    python = tmp_path / "vendor/python"
    for given, said in ({"offline": "1"}, "True"), ({}, None):
        options = {"python": str(python), "lock-dir": str(tmp_path / f"locks-{said}"), **given}
        device = CambriconDevice(options, look=lambda: ONE)
        assert device.info().settings["int8-fp16"].get("save_offline_model") == said
        device.close()


def cut_short(text):
    return text[: text.index("    Core limit")]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, r"the framework saved no .*\.cambricon; was the network fused at all\?"),
        ({MODEL: "binary"}, r"the framework saved no .*\.cambricon_twins; was"),
        ({MODEL: "binary", TWINS: cut_short(FITTING)}, "is truncated: Core limit is missing after line"),
        (
            {MODEL: "binary", TWINS: twins_text(([SHAPE], [(1, 1, 1, 2)]), model="other.cambricon")},
            r"is of another model, other\.cambricon; save the offline model again",
        ),
        (
            {MODEL: "binary", TWINS: twins_text(([SHAPE], [(1, 1, 1, 10)]))},
            "of another network, or of a part of this one: it gives 1x1x1x10, the network gives 1x2; save",
        ),
        (
            {MODEL: "binary", TWINS: twins_text(([SHAPE, SHAPE], [(1, 1, 1, 2)]))},
            "it takes 1x4x4x2, 1x4x4x2, the network takes 1x4x4x2;",
        ),
        (
            {MODEL: "binary", TWINS: twins_text(([SHAPE], [(1, 1, 1, 2)]), dtype="CNRT_INT32")},
            "of another network: it takes CNRT_INT32, this one takes floats",
        ),
        (
            {MODEL: "binary", TWINS: twins_text(([SHAPE], [(1, 1, 1, 2)]), cores=4)},
            "subnet0 was built for 4 cores, but core-num is 1; give --device-option core-num=4",
        ),
    ],
)
def test_what_does_not_fit_is_an_incident_in_one_sentence(opened, files, sentence):
    notes, (incident,) = ended(opened(files))
    assert notes == ()
    assert "\n" not in incident
    with refused(sentence, ValueError):
        raise ValueError(incident)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (twins_text(([(1, 4, 4, 2)], [(1, 2, 1, 1)])), {}),  # wherever the ones stand
        (twins_text(([SHAPE], [(1, 1, 1, 2)]), dtype="CNRT_FLOAT32"), {}),
        (twins_text(([SHAPE], [(1, 1, 1, 2)]), cores=4), {"core_num": "4"}),
        (twins_text(([SHAPE], [SHAPE]), ([SHAPE], [(1, 1, 1, 2)])), {}),  # not fused into one
        (twins_text(([SHAPE], [SHAPE])), {"optype_black_list": "Mean"}),  # the end is left to the host
        (twins_text(([SHAPE], [(1, 1, 1, 2)]), model="./weights/{name}.cambricon"), {}),
    ],
)
def test_what_is_right_but_different_passes(opened, text, options):
    notes, incidents = ended(opened({MODEL: "binary", TWINS: text}, **options))
    assert (len(notes), incidents) == (1, [])


def test_an_older_file_is_not_taken_for_the_sessions(opened, tmp_path):
    ended(opened({MODEL: "binary", TWINS: FITTING}))
    device_of_nothing = opened({}, card="0", lock_dir=str(tmp_path / "other"))
    notes, (incident,) = ended(device_of_nothing)
    assert (notes, "the framework saved no" in incident, kept(tmp_path)) == ((), True, [])


def test_only_the_whole_fused_network_is_saved(opened, tmp_path, graph):
    files = {MODEL: "binary", TWINS: FITTING}
    broken = graph.prune(["relu", "out"])
    assert opened(files, network=broken, lock_dir=str(tmp_path / "a")).notes == (
        "no offline model is saved: fetching relu breaks its fusion",
    )
    own = cut(graph, {"relu": SHAPE}, ["relu", "out"])
    assert opened(files, network=own, lock_dir=str(tmp_path / "b")).notes == ()
    assert opened(files, fuse=False, lock_dir=str(tmp_path / "c")).notes == ()
    assert not (tmp_path / "logs/offline").exists()
    assert opened(files, logs=False, lock_dir=str(tmp_path / "d")).notes == (
        "no offline model is saved: there is no run directory",
    )


def test_a_session_that_never_ran_leaves_nothing_to_judge(opened):
    session = opened({})
    session.close()
    assert (session.notes, session.incidents) == ((), [])


def test_stock_tensorflow_saves_none(tmp_path):
    python = fake_vendor(tmp_path / "vendor", greeting={"stock": True})
    options = {"python": str(python), "lock-dir": str(tmp_path), "allow-stock": "1", "offline": "1"}
    with refused("stock TensorFlow saves no offline model; drop --device-option offline=1", UsageError):
        CambriconDevice(options, look=lambda: ONE)


def test_a_network_with_unused_nodes_is_whole(opened, graph):
    network = graph.replaced([*graph.nodes.values(), plain("idle", "Relu", ["x"], T="float32")])
    notes, incidents = ended(opened({MODEL: "binary", TWINS: FITTING}, network=network))
    assert (len(notes), incidents) == (1, [])
