"""``mlu-conformance compare``: two devices end to end, every kind of file, and how it ends."""

import json
import shutil

import numpy as np
import pytest
from dumps.made_dumps import dump as made
from dumps.made_dumps import edited
from support.fresh_python import without_tensorflow

from conformance import cli
from conformance.numerics.metrics import compare

NODES = "--nodes=out:0,joined:0,norm/mean:0"
EMULATOR = ("--device=emulator", "--precision=int8-fp16")


@pytest.fixture(scope="module")
def dumps(network, tmp_path_factory):
    """Return a directory of dumps: ``cpu`` and ``emulator`` as npy, ``….text`` as text."""
    root = tmp_path_factory.mktemp("dumps")
    for form in ("npy", "text"):
        suffix = "" if form == "npy" else ".text"
        for name, device in (("cpu", ["--device=cpu"]), ("emulator", EMULATOR)):
            to = ["-o", str(root / f"{name}{suffix}"), f"--format={form}"]
            assert cli.main(["dump", NODES, *device, *to, str(network.directory)]) == 0
    return root


def rows(text):
    """Return the table's rows by tensor, each as a mapping of heading to cell."""
    heading, *lines = text.partition("\n\n")[0].splitlines()
    columns = [heading.index(word) for word in heading.split("  ") if word]
    spans = list(zip(columns, [*columns[1:], None], strict=True))
    titles, *cells = [[line[start:end].strip() for start, end in spans] for line in (heading, *lines)]
    return {row[0]: dict(zip(titles, row, strict=True)) for row in cells}


def test_two_devices_end_to_end(said, dumps):
    code, text, note = said("compare", dumps / "cpu", dumps / "emulator")
    assert code == 0
    assert note.endswith("3 compared, no limits were given\n")
    found = rows(text)
    assert set(found) == {f"{name}:0 (sample 0)" for name in ("out", "joined", "norm/mean")}
    first, second = (
        np.load(dumps / word / f"joined0{word}.npy", allow_pickle=False) for word in ("cpu", "emulator")
    )
    metrics = compare(first, second)
    row = found["joined:0 (sample 0)"]
    assert metrics.max_abs > 0
    assert row["elements"] == str(first.size).replace("4096", "4,096")
    assert row["cosine"] == f"{metrics.cosine:.7f}"
    assert row["MSE"] == f"{metrics.mse:.3g}"
    assert row["max |error|"] == f"{metrics.max_abs:.3g}"
    assert row["at"] == f"[{','.join(map(str, metrics.worst_index))}]"
    assert row["worst channel (MSE)"] == f"{metrics.worst_channel} ({metrics.worst_channel_mse:.3g})"
    assert row["NaN/Inf"] == "0/0"


def test_the_table_has_the_worst_first_or_the_order_of_the_graph(said, dumps):
    _, text, _ = said("compare", dumps / "cpu", dumps / "emulator")
    cosines = [float(row["cosine"]) for row in rows(text).values()]
    assert cosines == sorted(cosines)
    _, text, _ = said("compare", "--sort=graph", dumps / "cpu", dumps / "emulator")
    assert [row["order"] for row in rows(text).values()] == ["1", "2", "3"]
    assert [name.split(":")[0] for name in rows(text)] == ["norm/mean", "joined", "out"]


def test_bars_of_the_worst_tensors_only(said, dumps):
    _, text, _ = said("compare", "--histograms=1", dumps / "cpu", dumps / "emulator")
    assert text.count("|error|\n") == 1
    assert said("compare", "--histograms=0", dumps / "cpu", dumps / "emulator")[1].count("|error|\n") == 0


def test_text_says_what_it_cannot_show(said, dumps):
    code, text, note = said("compare", dumps / "cpu.text", dumps / "cpu.text")
    assert code == 0
    assert (
        text.count("  equal as far as the format shows, which proves nothing: 0.001 could not be seen\n") == 3
    )
    _, _, note = said("compare", "--histograms=0", dumps / "cpu.text", dumps / "cpu.text")
    assert "out:0 (sample 0): equal as far as the format shows, which proves nothing" in note


def test_text_and_npy_of_one_device_differ_by_no_more_than_the_resolution(said, dumps):
    code, text, _ = said("compare", dumps / "cpu", dumps / "cpu.text")
    assert code == 0
    assert text.count("is within the 0.0005 that rounding to the format can make") == 3


def test_the_files_of_two_dumps(said, dumps):
    files = dumps / "cpu.text/joined0cpu.txt", dumps / "emulator.text/joined0emulator.txt"
    code, text, _ = said("compare", *files)
    (row,) = rows(text).values()
    assert code == 0
    assert (row["tensor"], row["elements"]) == ("joined0", "4,096")
    whole = rows(said("compare", dumps / "cpu.text", dumps / "emulator.text")[1])["joined:0 (sample 0)"]
    assert {row[name] for name in ("cosine", "MSE", "max |error|")} == {
        whole[name] for name in ("cosine", "MSE", "max |error|")
    }


def test_a_bare_file_beside_a_npy_takes_its_shape(said, dumps):
    _, text, _ = said("compare", dumps / "cpu.text/joined0cpu.txt", dumps / "emulator/joined0emulator.npy")
    (row,) = rows(text).values()
    assert row["at"].count(",") == 3


def test_goldens(said, refusal, network, dumps):
    goldens = (f"--goldens={network.directory}", f"--golden-dir={network.goldens}")
    code, text, _ = said("compare", dumps / "cpu", *goldens, "--limit=max_abs=1e-4")
    assert code == 0
    assert len(rows(text)) == 3
    assert said("compare", dumps / "emulator", *goldens, "--limit=max_abs=1e-4")[0] == 1
    error = refusal("compare", dumps / "cpu/joined0cpu.npy", *goldens)
    assert "which sample it holds, and there are several in the goldens of small (known: 0, 1)" in error
    code, text, _ = said("compare", dumps / "cpu/joined0cpu.npy", *goldens, "--sample=0", "--limit=mse=1e-8")
    assert (code, list(rows(text))) == (0, ["joined:0 (sample 0)"])
    assert said("compare", dumps / "cpu/joined0cpu.npy", *goldens, "--sample=1", "--limit=mse=1e-8")[0] == 1


def test_goldens_as_a_dump_are_the_goldens(said, network, tmp_path):
    goldens = f"--golden-dir={network.goldens}"
    to = ("-o", tmp_path / "dump")
    assert said("dump", NODES, "--device=golden", goldens, *to, "--sample=all", network.directory)[0] == 0
    code, text, _ = said(
        "compare", tmp_path / "dump", f"--goldens={network.directory}", goldens, "--limit=max_abs=0"
    )
    assert code == 0
    assert len(rows(text)) == 6


def test_json_says_everything(said, dumps, tmp_path):
    options = ("--limit=cosine=0.9", "--limit=max_abs=0.0005")
    code, text, error = said("compare", dumps / "cpu", dumps / "emulator", "--json=-", *options)
    found = json.loads(text)
    assert code == 1
    assert error.endswith(f"mlu-conformance: {found['reason']}\n")
    assert (found["outcome"], found["limits"]) == ("deviates", {"cosine": 0.9, "max_abs": 0.0005})
    assert [tensor["tensor"] for tensor in found["tensors"]] == ["norm/mean:0", "joined:0", "out:0"]
    (joined,) = [tensor for tensor in found["tensors"] if tensor["tensor"] == "joined:0"]
    files = [dumps / word / f"joined0{word}.npy" for word in ("cpu", "emulator")]
    metrics = compare(*(np.load(file) for file in files))
    assert joined["metrics"]["mse"] == metrics.mse
    assert joined["metrics"]["worst_index"] == metrics.worst_index
    assert joined["histogram"]["equal"] + sum(joined["histogram"]["counts"]) == 4096
    assert said("compare", dumps / "cpu", dumps / "emulator", f"--json={tmp_path / 'x.json'}")[1]
    assert json.loads((tmp_path / "x.json").read_text())["outcome"] == "fine"


def npy(path, values):
    np.save(path, np.asarray(values, np.float32))
    return path


def test_limits_decide(said, tmp_path):
    files = npy(tmp_path / "a.npy", [1, 2, 3]), npy(tmp_path / "b.npy", [1, 2, 3.5])
    code, text, note = said("compare", *files, "--limit=max_abs=0.5", "--limit=cosine=0.9")
    assert (code, note.splitlines()[-1]) == (0, "1 compared, all within the limits")
    code, text, error = said("compare", *files, "--limit=max_abs=0.4", "--limit=cosine=0.9")
    assert code == 1
    assert "  exceeds: max_abs 0.5 > 0.4\n" in text
    assert error.endswith("1 of 1 tensors exceed the limits, first a and b (max_abs 0.5 > 0.4)\n")


def test_a_limit_that_the_format_cannot_show_is_inconclusive(said, tmp_path):
    for name in ("acpu.txt", "amlu.txt"):
        (tmp_path / name).write_text("1.000\n2.000\n")
    files = tmp_path / "acpu.txt", tmp_path / "amlu.txt"
    code, text, error = said("compare", *files, "--limit=max_abs=0.0009")
    assert code == 5
    assert "  cannot be shown by this format: max_abs=0.0009\n" in text
    assert "rounding to the format, by up to 0.001, could break max_abs=0.0009 of a; dump as npy" in error
    assert said("compare", *files, "--limit=max_abs=0.0011")[0] == 0


@pytest.mark.parametrize(
    ("first", "second", "code", "sentence"),
    [
        ("1 nan", "1 nan", 0, "no limits were given"),
        ("1 nan", "1 2", 1, "1 of 1 tensors differ in NaN or Inf, first a"),
        ("1 inf", "1 -inf", 1, "1 of 1 tensors differ in NaN or Inf, first a"),
        ("nan nan", "nan nan", 1, "1 of 1 tensors hold nothing finite, first a"),
    ],
)
def test_nan_and_inf_decide_without_limits(said, tmp_path, first, second, code, sentence):
    (tmp_path / "acpu.txt").write_text(first)
    (tmp_path / "amlu.txt").write_text(second)
    found, text, error = said("compare", tmp_path / "acpu.txt", tmp_path / "amlu.txt")
    assert found == code
    assert sentence in error
    assert ("NaN and Inf differ" in text) is ("differ" in sentence)


def test_archives_and_polygraphy(said, refusal, dumps, tmp_path):
    words = {name: f"{name.replace('/', '')}0cpu.npy" for name in ("out", "joined", "norm/mean")}
    values = {f"{name}:0": np.load(dumps / "cpu" / file) for name, file in words.items()}
    np.savez(tmp_path / "cpu.npz", **values)
    code, text, _ = said("compare", tmp_path / "cpu.npz", dumps / "cpu", "--limit=max_abs=0")
    assert (code, len(rows(text))) == (0, 3)
    np.savez(tmp_path / "less.npz", **{"out:0": values["out:0"]})
    error = refusal("compare", tmp_path / "less.npz", dumps / "cpu")
    assert "norm/mean:0 (sample 0), joined:0 (sample 0) of" in error


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (b"1.0\n2.0\n", b"1.0\n", "a has 2 elements on the first side, but 1 on the second"),
        (b"", b"1.0\n", "acpu.txt holds no numbers; dump it again"),
        (b"1.0\n", b"\n\n", "amlu.txt holds no numbers; dump it again"),
        (b"1.0\n2.0\nx\n", b"1.0\n", "acpu.txt line 3: 'x' is not a number; dump it again"),
        (None, b"1.0\n", "acpu.txt does not exist; give a dump's directory or a file"),
    ],
)
def test_files_that_cannot_be_compared(refusal, tmp_path, first, second, sentence):
    for name, content in (("acpu.txt", first), ("amlu.txt", second)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    assert sentence in refusal("compare", tmp_path / "acpu.txt", tmp_path / "amlu.txt")


def test_dumps_that_cannot_be_compared(refusal, tmp_path):
    made(tmp_path / "one")
    made(tmp_path / "two", nodes=("a/b", "c"))
    made(tmp_path / "other", nodes=("x",))
    for first, second, sentence in (
        ("one", "two", "c:0 (sample 0) of"),
        ("two", "one", "c:0 (sample 0) of"),
        ("one", "other", "no tensor is on both sides"),
        ("one", "none", "none does not exist"),
    ):
        assert sentence in refusal("compare", tmp_path / first, tmp_path / second)


def test_a_dump_without_its_manifest_is_none(refusal, tmp_path):
    made(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "cut")
    (tmp_path / "cut/dump.json").unlink()
    said = refusal("compare", tmp_path / "one", tmp_path / "cut")
    assert "cut is no dump, as dump.json is missing" in said


def test_dumps_of_other_inputs_are_refused_and_of_other_weights_noted(said, refusal, tmp_path):
    made(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    edited(tmp_path / "two", lambda content: content.update(input_sha256="j"))
    assert "was made from other inputs than" in refusal("compare", tmp_path / "one", tmp_path / "two")
    edited(tmp_path / "two", lambda content: content.update(input_sha256="i", graph_sha256="h"))
    code, _, note = said("compare", tmp_path / "one", tmp_path / "two")
    assert code == 0
    assert "the graphs or their weights differ: sha256 g and h\n" in note


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give two things to compare, or one and --goldens NETWORK"),
        (["SECOND", "--goldens=beautygan"], "give two things to compare, or one and --goldens NETWORK"),
        (["--goldens=beautigan"], "network 'beautigan' is not in"),
        (["SECOND", "--limit=cosin=1"], "--limit 'cosin=1' names no criterion (near names: cosine)"),
        (["SECOND", "--sample=x"], "--sample 'x' is no number of a sample; give one like 0"),
        (["SECOND", "--sample=7"], "sample 7 is not in"),
        (["SECOND", "--sort=name"], "argument --sort: invalid choice: 'name'"),
        (["SECOND", "--histograms=-1"], "argument --histograms: '-1' is no count"),
    ],
)
def test_bad_arguments_are_one_sentence(refusal, tmp_path, arguments, sentence):
    made(tmp_path / "dump")
    given = [tmp_path / "dump" if word == "SECOND" else word for word in arguments]
    assert sentence in refusal("compare", tmp_path / "dump", *given)


def test_no_tensorflow_is_needed_to_compare(tmp_path):
    made(tmp_path / "dump")
    code = "from conformance.cli import main; assert main(['compare', *sys.argv[1:]]) == 0"
    text, note = without_tensorflow(code, tmp_path / "dump", tmp_path / "dump")
    assert note.splitlines()[-1] == "1 compared, no limits were given"
    assert rows(text)["a/b:0 (sample 0)"]["elements"] == "6"
