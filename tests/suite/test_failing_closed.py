"""What is missing, damaged or empty is one sentence and an exit code, never a pass and never a traceback."""

import re
import shutil

import pytest
from support.kept_network import KEY_NODES
from support.suite_run import run_suite

WIDE = "wide%2FConv2D.0.npy"


@pytest.fixture
def damaged(network, tmp_path):
    """A copy of the network that may be damaged."""
    return network.copied(tmp_path)


@pytest.fixture
def refused(damaged, tmp_path):
    """Run the suite on the damaged copy: it ends before any test, with one sentence, and changes nothing."""

    def refuse(*arguments, code, markers="mlu and own"):
        before = _content(damaged)
        result = run_suite(tmp_path / "run", "--profile=ideal", *arguments, network=damaged, markers=markers)
        assert (result.code, result.outcomes) == (code, {})
        assert "Traceback" not in result.text
        assert not result.directory.exists()
        assert _content(damaged) == before
        return _sentence(result.text)

    return refuse


def _content(network):
    """Return every file's bytes, locks aside."""
    return {
        path: path.read_bytes()
        for root in (network.directory, network.goldens)
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def _sentence(text):
    """Return what pytest says when it stops: of a usage error, or of an exit."""
    (found,) = re.findall(r"(?:^ERROR: |Exit: )(.*?)(?: !+)?$", text, re.MULTILINE)
    return found


@pytest.mark.parametrize(
    ("arguments", "markers"),
    [
        (["-kno_such_case"], "mlu"),
        ([], "mlu and int8 and int16"),
        (["--deselect=conformance/suite"], "mlu"),
        ([], "(mlu) and not (own or chained or fused or calibration)"),
    ],
)
def test_selecting_nothing_is_no_pass(network, tmp_path, arguments, markers):
    result = run_suite(tmp_path / "run", *arguments, network=network, markers=markers)
    assert (result.code, result.outcomes) == (3, {})
    assert not result.directory.exists()


def test_selecting_nothing_of_other_tests_is_pytests_own_business(network, tmp_path):
    assert run_suite(tmp_path / "run", network=network, markers="not mlu").code == 5


def test_no_goldens_at_all(refused, damaged):
    shutil.rmtree(damaged.goldens)
    assert "network 'small' has no goldens in" in (sentence := refused(code=3))
    assert f"`mlu-conformance prepare {damaged.directory} --golden-dir {damaged.goldens}`" in sentence


def test_no_goldens_even_if_markers_would_have_selected_a_few(refused, damaged):
    shutil.rmtree(damaged.goldens)
    assert "has no goldens" in refused(code=3, markers="mlu and own and int8 and fp32")
    assert "has no goldens" in refused("-kwide", code=3)


def test_a_manifest_that_is_no_manifest(refused, damaged):
    (damaged.goldens / "small/manifest.json").write_text('{"nodes": []}')
    assert "manifest.json is malformed: Object missing required field `provenance`" in refused(code=4)


def test_no_attainable_errors(refused, damaged):
    (damaged.goldens / "small/attainable.json").unlink()
    assert "has no attainable errors in" in refused(code=3)


def test_attainable_errors_that_lack_a_node(refused, damaged):
    path = damaged.goldens / "small/attainable.json"
    path.write_text(path.read_text().replace('"wide/Conv2D"', '"elsewhere"'))
    assert "node 'wide/Conv2D' has no attainable error at int8-fp16" in refused(code=3)


def test_missing_tensors_are_made_again(damaged, tmp_path):
    shutil.rmtree(damaged.goldens / "small/tensors")
    result = run_suite(tmp_path / "run", "--profile=ideal", network=damaged)
    assert result.code == 0
    assert "making goldens of small" in result.text
    assert len(list((damaged.goldens / "small/tensors").glob("*.npy"))) == 2 * KEY_NODES


def test_a_tensor_that_was_edited(refused, damaged):
    path = damaged.goldens / "small/tensors" / WIDE
    content = bytearray(path.read_bytes())
    content[-2] ^= 64
    path.write_bytes(content)
    assert f"{WIDE} is not what the manifest says" in refused(code=3)


def test_goldens_of_another_graph(refused, damaged):
    path = damaged.directory / "network.toml"
    path.write_text(path.read_text().replace('"y-1.npy"', '"y-0.npy"'))
    assert "were made from other inputs" in refused(code=3)


@pytest.mark.parametrize("bits", [8, 16])
def test_no_scales(refused, damaged, bits):
    path = damaged.directory / f"int{bits}.quant.txt"
    path.unlink()
    remedy = f"`mlu-conformance prepare {damaged.directory} --golden-dir {damaged.goldens}`"
    assert f"quantisation parameter file {path} is missing; make them with {remedy}" in refused(code=4)


@pytest.mark.parametrize("length", [0, 40])
def test_damaged_scales(refused, damaged, length):
    path = damaged.directory / "int8.quant.txt"
    path.write_bytes(path.read_bytes()[:length])
    text = refused(code=4)
    assert f"{path}:" in text
    remedy = f"`mlu-conformance prepare {damaged.directory} --golden-dir {damaged.goldens}`"
    assert f"; delete it and run {remedy}" in text


def test_a_scale_for_a_node_that_the_graph_lacks(refused, damaged):
    path = damaged.directory / "int8.quant.txt"
    path.write_text(path.read_text().replace("wide/Conv2D/input", "wider/Conv2D/input"))
    assert "wider/Conv2D" in refused(code=4)


def test_scales_of_another_width(refused, damaged):
    shutil.copy(damaged.directory / "int16.quant.txt", damaged.directory / "int8.quant.txt")
    assert "says bit_width 16, but its name says 8" in refused(code=4)


def test_a_network_without_description(refused, damaged):
    (damaged.directory / "network.toml").unlink()
    assert "network.toml cannot be read: No such file or directory" in refused(code=4)


def test_a_network_with_a_misspelt_key(refused, damaged):
    path = damaged.directory / "network.toml"
    path.write_text(path.read_text().replace("psnr", "psrn"))
    assert "network.toml is malformed: Object contains unknown field `psrn`" in refused(code=4)


def test_a_graph_that_is_no_graph(refused, damaged):
    (damaged.directory / "small.pb").write_bytes(b"no graph at all")
    assert "small.pb" in refused(code=4)


def test_a_golden_directory_that_is_a_file(refused, damaged):
    shutil.rmtree(damaged.goldens)
    damaged.goldens.write_text("in the way")
    assert str(damaged.goldens) in refused(code=3)


def test_a_golden_that_breaks_during_the_run_ends_it_and_is_no_finding(damaged, tmp_path, monkeypatch):
    from conformance.errors import GoldenError
    from conformance.goldens import GoldenStore

    ensure = GoldenStore.ensure

    def once(store, names):
        ensure(store, names)
        monkeypatch.setattr(GoldenStore, "get", _break)

    def _break(*_):
        raise GoldenError("the disk is gone")

    monkeypatch.setattr(GoldenStore, "ensure", once)
    result = run_suite(tmp_path / "run", "--profile=ideal", network=damaged)
    assert (result.code, result.outcomes) == (3, {})
    assert _sentence(result.text) == "the disk is gone"
    assert result.records == []
