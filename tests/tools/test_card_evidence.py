"""The emulator is held to the pictures of the list, and to no others. All files are the test's own."""

import contextlib
import hashlib
import re
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from PIL import Image
from support.emulation import frozen, placeholder
from support.tool_modules import TOOLS, tool_module
from support.vendor_graphs import quantised, write

sys.path.insert(0, str(TOOLS))

from card.listing import EvidenceFile, Listing, located, read_listing
from card.pictures import as_fed, as_written, likeness, read_picture
from card.trials import changes, trial

from conformance.errors import UsageError

SIDE = 16
TRUTH = "reduction_sum=exact"
SCALES = {"conv/input": 127 / 255, "conv/filter": 127.0, "up/input": 127 / SIDE, "up/filter": 127.0}
"""That of ``up/input`` is of its shape, as the vendor's tool has it."""
FILES = {
    "graph": "net.pb",
    "picture": "in.png",
    "cpu": "cpu.jpg",
    "card": "card.jpg",
    "again": "again.jpg",
}


def build(tf):
    """Make a style transfer of two layers, whose squares are too large to be summed in half."""
    random = np.random.default_rng(7)

    def weights(name):
        values = random.uniform(-1, 1, (3, 3, 3, 3)).astype(np.float32)
        return tf.identity(tf.constant(values, name=name), name=f"{name}/read")

    shape = (1, SIDE, SIDE, 3)
    x = tf.nn.conv2d(placeholder(tf, "x", shape), weights("w"), 1, "SAME", name="conv")
    x = tf.nn.conv2d_transpose(x * 0.1, weights("v"), shape, 1, "SAME", name="up") * 10.0
    mean = tf.reduce_mean(x, [1, 2], keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), [1, 2], keepdims=True)
    normed = (x - mean) / tf.pow(variance + 0.001, 0.5)
    tf.add(tf.tanh(normed * 0.5) * 150.0, 127.5, name="out")


def save(path, pixels):
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Files of a card that sums exactly, their list, and the list's path."""
    folder = tmp_path_factory.mktemp("evidence")
    graph_def, _ = quantised(frozen(build, "out"), SCALES, 8)
    write(folder / "net.pb", graph_def)
    pixels = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    save(folder / "in.png", pixels)
    listing = _listing(folder, {"picture", "graph"})
    tried = trial(listing, folder / "net.pb", as_fed(pixels, (SIDE, SIDE)))
    card = as_written(tried.on_emulator(f"mlu270,{TRUTH}"), folder / "in.png")
    save(folder / "card.jpg", card)
    save(folder / "again.jpg", np.clip(card.astype(int) + 4, 0, 255).astype(np.uint8))
    save(folder / "cpu.jpg", as_written(tried.on_cpu(), folder / "in.png"))
    path = folder / "list.toml"
    path.write_text(_toml(folder))
    return folder, path


def _listing(folder, names):
    entries = {role: _entry(folder, name if role in names else "in.png") for role, name in FILES.items()}
    return Listing(input="x", output="out", size=(SIDE, SIDE), **entries)


def _entry(folder, name):
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return EvidenceFile("owner/name", "c0ffee", f"somewhere/{name}", digest)


def _toml(folder):
    lines = ['input = "x"', 'output = "out"', f"size = [{SIDE}, {SIDE}]"]
    for role, name in FILES.items():
        entry = msgspec.structs.asdict(_entry(folder, name))
        lines += [f"[{role}]", *(f'{key} = "{value}"' for key, value in entry.items())]
    return "\n".join(lines)


def ran(folder, path, tmp_path, capsys, *options):
    with tool_module("card_evidence") as tool:
        code = tool.main([str(folder), "--list", str(path), "-o", str(tmp_path / "p.png"), *options])
    assert code == 0
    return capsys.readouterr().out


def decibels(text):
    rows = (re.match(r" *(.+?)  +(inf|[0-9.]+)  ", line) for line in text.splitlines())
    return {row[1]: float(row[2]) for row in rows if row}


def test_what_the_card_did_is_found_and_all_else_is_further_off(evidence, tmp_path, capsys):
    found = decibels(ran(*evidence, tmp_path, capsys, "--switch=reduction_sum", "--switch=half_overflow"))
    assert found[TRUTH] == np.inf
    others = {name: value for name, value in found.items() if name not in {TRUTH, "reduction_sum=fp32"}}
    assert set(others) >= {"the card, another time", "the CPU", "mlu270", "half_overflow=inf"}
    assert max(others.values()) < 40
    assert others["transposed convolutions scaled by data"] < 35
    assert others["the card, another time"] > max(others["mlu270"], others["half_overflow=inf"]) + 3


def test_the_right_profile_is_as_near_as_can_be_and_its_picture_is_drawn(evidence, tmp_path, capsys):
    text = ran(*evidence, tmp_path, capsys, f"--profile=mlu270,{TRUTH}", "--switch=tanh")
    assert decibels(text)[f"mlu270,{TRUTH}"] == np.inf
    assert re.search(r"within (inf|[3-9]\d\.\d) dB of the CPU's picture", text)
    assert np.ptp(read_picture(tmp_path / "p.png")) == 255


def test_every_other_value_of_a_switch_is_tried():
    every = changes("mlu270", [])
    assert len(every) == len(set(every)) > 15
    assert "reduction_sum=fp32" in every
    assert "reduction_sum=float-type" not in every
    assert "reduction_sum=float-type" in changes("mlu270,reduction_sum=fp32", ["reduction_sum"])
    with pytest.raises(UsageError, match=r"switch 'reduction_sun' is unknown .*reduction_sum"):
        changes("mlu270", ["reduction_sun"])


def test_a_clone_has_several_files_of_a_name_and_the_right_one_is_taken(evidence, tmp_path):
    folder, path = evidence
    for name in FILES.values():
        (tmp_path / "z").mkdir(exist_ok=True)
        (tmp_path / "z" / name).write_bytes((folder / name).read_bytes())
        (tmp_path / name).write_bytes(b"another")
    assert located(read_listing(path), tmp_path).graph == tmp_path / "z" / "net.pb"


@contextlib.contextmanager
def spoilt(path):
    content = path.read_bytes()
    yield content
    path.write_bytes(content)


def test_a_file_that_is_missing_or_another_one_is_named_with_where_to_get_it(evidence):
    folder, path = evidence
    listing = read_listing(path)
    with spoilt(folder / "card.jpg") as content:
        (folder / "card.jpg").write_bytes(content + b"\0")
        with pytest.raises(
            UsageError, match=r"card.jpg has SHA-256 \w{16}…, the evidence \w{16}…; take some"
        ):
            located(listing, folder)
        (folder / "card.jpg").unlink()
        missing = (
            r"card.jpg is not below .*; take somewhere/card.jpg of github.com/owner/name at commit c0ffee"
        )
        with pytest.raises(UsageError, match=missing):
            located(listing, folder)


def test_the_committed_list_is_complete_and_a_user_gets_one_sentence(tmp_path):
    command = [sys.executable, TOOLS / "card_evidence.py", tmp_path / "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert re.fullmatch(r"card_evidence: .*nowhere is not a directory; .*\n", done.stderr)
    listing = read_listing(TOOLS / "card_evidence.toml")
    for name in FILES:
        assert re.fullmatch(r"[0-9a-f]{64}", getattr(listing, name).sha256)
        assert re.fullmatch(r"[0-9a-f]{40}", getattr(listing, name).commit)


def test_pictures_of_different_sizes_are_refused(evidence):
    folder, path = evidence
    with spoilt(folder / "cpu.jpg"), spoilt(path), tool_module("card_evidence") as tool:
        save(folder / "cpu.jpg", np.zeros((8, 8, 3), np.uint8))
        path.write_text(_toml(folder))
        with pytest.raises(UsageError, match=r"cpu.jpg is 8 x 8, but .*card.jpg is 16 x 16"):
            tool.read_evidence(read_listing(path), folder)
        (folder / "cpu.jpg").write_bytes(b"no picture")
        path.write_text(_toml(folder))
        with pytest.raises(UsageError, match=r"cpu.jpg is not a picture that can be read"):
            tool.read_evidence(read_listing(path), folder)


def test_a_graph_without_scales_is_refused(evidence, tmp_path):
    folder, path = evidence
    plain = tmp_path / "plain.pb"
    frozen(build, "out").save(plain)
    with pytest.raises(UsageError, match=r"plain.pb brings no scales for int8 along"):
        trial(read_listing(path), plain, as_fed(read_picture(folder / "in.png"), (SIDE, SIDE)))


def test_pictures_are_fed_blue_first_and_scaled_between_the_centres_of_pixels():
    picture = np.zeros((1, 2, 3), np.uint8)
    picture[0, 1] = 100, 50, 200
    fed = as_fed(picture, (2, 4))
    assert fed.shape == (1, 2, 4, 3)
    assert fed[0, :, :, 0].tolist() == [[0, 50, 150, 200]] * 2
    assert fed[0, 0, :, 2].tolist() == [0, 25, 75, 100]
    whole = np.random.default_rng(1).integers(0, 256, (5, 4, 3), np.uint8)
    assert np.array_equal(as_fed(whole, (5, 4))[0], whole[..., ::-1])


def test_an_output_is_written_as_opencv_does(tmp_path):
    like = tmp_path / "like.png"
    save(like, np.zeros((8, 8, 3), np.uint8))
    output = np.array([-3.0, 0.6, 1.5, 254.6, 300, np.nan, np.inf, -np.inf], np.float32)
    blue_first = np.stack([output, *np.zeros((2, 8), np.float32)], -1)[None, None]
    assert as_written(blue_first, like)[0, :, 2].tolist() == [0, 1, 2, 255, 255, 0, 255, 0]


def test_likeness_tells_dither_from_level_and_contrast():
    flat = np.full((16, 16, 3), 128, np.uint8)
    dither = flat + np.where(np.indices((16, 16)).sum(0) % 2, 10, -10)[..., None].astype(np.int8).view(
        np.uint8
    )
    near = likeness(dither, flat)
    assert near.psnr == pytest.approx(28.13, abs=0.01)
    assert near.coarse == np.inf
    assert (near.level, near.contrast) == (0, 10)
    assert likeness(flat + 3, flat).level == 3
