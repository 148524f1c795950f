"""An output of one number is not accepted by its cosine: between two numbers it tells nothing."""

import numpy as np
import pytest
from support.emulation import placeholder
from support.toy_network import uniform, write_toy

from conformance import cli


def one_number(tf):
    x = placeholder(tf, "x", (1, 8))
    tf.reduce_mean(tf.tanh(x), axis=1, keepdims=True, name="out")


ANSWERS = """
[output.answers]
measure = "within"
tolerance = 0.5
truth = ["truth.npy"]
"""


@pytest.fixture
def written(tmp_path):
    """Write a network whose only output is one number, with another acceptance."""

    def write(acceptance, more=""):
        directory = write_toy(tmp_path / "toy", one_number, uniform(1, (1, 8), "x"), more=more)
        np.save(directory / "truth.npy", np.zeros((1, 1), np.float32))
        text = (directory / "network.toml").read_text()
        (directory / "network.toml").write_text(text.partition("[acceptance]")[0] + acceptance)
        return directory

    return write


def made(directory, tmp_path):
    return cli.main(["golden", str(directory), "--golden-dir", str(tmp_path / "goldens")])


def test_a_cosine_alone_is_refused_with_a_sentence(written, tmp_path, capsys):
    directory = written("[acceptance]\ncosine = 0.999\n")
    assert made(directory, tmp_path) == 4
    error = capsys.readouterr().err
    assert "output 'out' of network 'toy' is one number, and [acceptance] in" in error
    assert "holds it by its cosine alone" in error
    assert "add psnr" in error


@pytest.mark.parametrize(
    ("acceptance", "more"),
    [("cosine = 0.999\npsnr = 40.0", ""), ("psnr = 40.0", ""), ("cosine = 0.999\nanswers = 0.9", ANSWERS)],
)
def test_another_criterion_will_do(written, tmp_path, acceptance, more):
    assert made(written(f"[acceptance]\n{acceptance}\n", more), tmp_path) == 0


def test_a_new_network_of_one_number_accepts_by_psnr(written, tmp_path):
    graph = written("[acceptance]\npsnr = 40.0\n") / "toy.pb"
    assert cli.main(["init", str(graph), "-o", str(tmp_path / "new"), "--random-inputs=1"]) == 0
    text = (tmp_path / "new/network.toml").read_text()
    assert "\npsnr = 40.0" in text
    assert "\ncosine" not in text
