"""``mlu-conformance show``: what it writes and says, and what it refuses in one sentence."""

import pytest
from PIL import Image
from support.kept_network import kept_network
from support.picture_network import kept_pictures
from support.recurrent_network import SERIES, kept_recurrent, with_series

from conformance.errors import EXIT_INFRASTRUCTURE, EXIT_USAGE


def given(kept, *arguments):
    """Return the arguments that show a network, by default on the CPU."""
    device = [] if "--device" in "".join(map(str, arguments)) else ["--device=cpu"]
    return *device, f"--golden-dir={kept.goldens}", kept.directory, *arguments


@pytest.fixture
def shown(said):
    """Show a network; return the exit code, output and error."""
    return lambda kept, *arguments: said("show", *given(kept, *arguments))


def size(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_pictures_of_every_input_with_every_other(shown, tmp_path):
    code, text, _ = shown(kept_pictures(), "-o", tmp_path / "a.png")
    assert code == 0
    assert [line.split()[1] for line in text.splitlines()[1:5]] == [
        "int8-fp16",
        "int8-fp32",
        "int16-fp16",
        "int16-fp32",
    ]
    assert f"{tmp_path / 'a.png'}: 6 pictures of painted at 4 precisions" in text
    width, height = size(tmp_path / "a.png")
    assert 1500 < width <= 2400
    assert height < width
    assert (tmp_path / "a.png").stat().st_size < 4_000_000


def test_chosen_precisions_and_a_new_directory(shown, tmp_path):
    code, text, _ = shown(kept_pictures("X"), "--precision=int16-fp32,int8-fp16", "-o", tmp_path / "new/one")
    assert code == 0
    assert [line.split()[1] for line in text.splitlines()[1:3]] == ["int16-fp32", "int8-fp16"]
    assert [path.name for path in (tmp_path / "new/one").iterdir()] == ["painted.png"]


def test_an_older_picture_is_replaced(shown, tmp_path):
    (tmp_path / "painted.png").write_text("old")
    assert shown(kept_pictures("X"), "--precision=int16-fp32", "-o", tmp_path)[0] == 0
    assert size(tmp_path / "painted.png")


def test_a_series_is_a_chart_and_a_table(shown, tmp_path):
    code, text, _ = shown(kept_recurrent(), "--precision=int8-fp32", "-o", tmp_path)
    assert code == 0
    assert "hidden state (rnn/step_*/h), root mean square error, SIMULATED:" in text
    assert "step 0" in text
    assert [path.name for path in tmp_path.iterdir()] == ["recurrent-series.png"]
    assert size(tmp_path / "recurrent-series.png")[0] > 800


def test_a_device_that_breaks_is_shown_as_broken(shown, tmp_path):
    device = "--device=suite.faulty_devices:nothing_at_all"
    assert shown(kept_pictures("X"), device, "-o", tmp_path)[0] == EXIT_USAGE  # no such factory
    code, text, _ = shown(kept_pictures("X"), "--device=commands.test_show:broken", "-o", tmp_path)
    assert code == 0
    assert text.count("broken") == 4
    assert "it burnt down" in text


def broken():
    """Return a device that breaks as it compiles."""
    from suite.faulty_devices import FaultyDevice

    def burn():
        raise RuntimeError("it burnt down")

    return FaultyDevice(opening=burn)


def test_a_network_with_nothing_to_show_is_one_sentence(refusal, tmp_path):
    error = refusal("show", *given(with_series(tmp_path, "")), "-o", tmp_path / "a.png")
    assert "network 'recurrent' has nothing to show: no output is a picture" in error
    assert not (tmp_path / "a.png").exists()


def test_a_series_that_fits_nothing_is_one_sentence(refusal, tmp_path):
    kept = with_series(tmp_path, SERIES.replace("/h", "/nothing"))
    error = refusal("show", *given(kept), "-o", tmp_path / "a.png")
    assert "nodes 'rnn/step_*/nothing' match none of the nodes that have goldens" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the network is missing; name one, give --from-run RUN, or set MLU_CONFORMANCE_NETWORK"),
        (["beautgan"], "network 'beautgan' is not in"),
        (["--precision=int4-fp16", "{network}"], "precision 'int4-fp16' does not exist"),
        (["--precision=int8-fp16,", "{network}"], "precision '' does not exist"),
        (["--device=emulatr", "{network}"], "device 'emulatr' is unknown"),
        (["-o", "{tmp}/a.jpg", "{network}"], "a.jpg cannot be written: pictures are PNG"),
        (["-o", "{tmp}/file/a.png", "{network}"], "file/a.png cannot be written ("),
        (["-o", "{tmp}/file", "{network}"], "file cannot be written ("),
        (["-o", "{tmp}/taken.png", "{network}"], "taken.png cannot be written; name another place"),
        (["--golden-dir={tmp}/none", "{network}"], "has no goldens in"),
        (["--from-run={tmp}"], "holds no run"),
        (["--from-run={tmp}", "--weights={tmp}", "{network}"], "and --from-run contradict each other"),
        (["--weights={tmp}/none", "{network}"], "none"),
    ],
)
def test_wrong_arguments_are_one_sentence(said, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "taken.png").mkdir()
    kept = kept_network()
    filled = [text.format(network=kept.directory, tmp=tmp_path) for text in arguments]
    golden = [f"--golden-dir={kept.goldens}"] if "--golden-dir" not in "".join(arguments) else []
    device = [] if "--device" in "".join(arguments) else ["--device=cpu"]
    code, out, error = said("show", *device, *golden, *filled)
    assert code in (EXIT_INFRASTRUCTURE, EXIT_USAGE)
    assert (out, error.count("\n")) == ("", 1)
    assert sentence in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.png"]
