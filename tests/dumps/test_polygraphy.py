"""What Polygraphy saved, in the forms that its versions wrote, read without it."""

import base64
import io
import json

import numpy as np
import pytest

from conformance.dumps.polygraphy import polygraphy_directory, polygraphy_file
from conformance.errors import UsageError

NAME = "generator/xs:0"
VALUES = np.arange(6, dtype=np.float32).reshape(1, 2, 3)


def npy(values, **options):
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def npz(values):
    file = io.BytesIO()
    np.savez_compressed(file, values)
    return file.getvalue()


def encoded(data):
    return base64.b64encode(data).decode()


def results(*iterations, runner="tf-runner"):
    """Return the JSON of one runner's iterations, each a mapping of name to the text of an array."""
    outputs = [
        {
            "outputs": {
                name: {
                    "values": {"array": text, "polygraphy_class": "ndarray"},
                    "polygraphy_class": "LazyArray",
                }
                for name, text in iteration.items()
            },
            "runtime": 0.5,
            "runner_name": runner,
            "polygraphy_class": "IterationResult",
        }
        for iteration in iterations
    ]
    return {"lst": [[runner, outputs]], "polygraphy_class": "RunResults"}


def saved(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "text",
    [
        encoded(npy(VALUES)),
        encoded(npz(VALUES)),
        npy(VALUES).decode("latin-1"),
        npz(VALUES).decode("latin-1"),
    ],
    ids=["base64", "base64 of npz", "latin-1", "latin-1 of npz"],
)
def test_every_form_of_an_array(tmp_path, text):
    side = polygraphy_file(saved(tmp_path / "run.json", results({NAME: text})))
    (tensor,) = side.tensors
    reading = tensor.read()
    assert (tensor.name, tensor.sample, reading.resolution, reading.shaped) == (NAME, None, 0.0, True)
    assert np.array_equal(reading.values, VALUES)


def test_iterations_are_samples(tmp_path):
    path = saved(
        tmp_path / "run.json", results({NAME: encoded(npy(VALUES))}, {NAME: encoded(npy(VALUES + 1))})
    )
    tensors = polygraphy_file(path).tensors
    assert [(tensor.name, tensor.sample) for tensor in tensors] == [(NAME, 0), (NAME, 1)]
    assert np.array_equal(tensors[1].read().values, VALUES + 1)


def test_a_directory_of_iterations(tmp_path):
    for index in range(2):
        saved(tmp_path / f"{index:010d}.json", results({NAME: encoded(npy(VALUES + index))}))
    tensors = polygraphy_directory(tmp_path).tensors
    assert [tensor.sample for tensor in tensors] == [0, 1]
    assert np.array_equal(tensors[1].read().values, VALUES + 1)


def test_the_older_markers_of_types(tmp_path):
    text = json.dumps(results({NAME: encoded(npy(VALUES))}))
    for kind in ("ndarray", "LazyArray", "IterationResult", "RunResults"):
        old = f'"__polygraphy_encoded_{kind}": "polygraphy_serialized_json_type"'
        text = text.replace(f'"polygraphy_class": "{kind}"', old)
    assert "polygraphy_class" not in text
    assert np.array_equal(
        polygraphy_file(saved(tmp_path / "run.json", text)).tensors[0].read().values, VALUES
    )


def test_polygraphy_itself_agrees(tmp_path):
    comparator = pytest.importorskip("polygraphy.comparator")
    run = comparator.RunResults()
    run.add([{NAME: VALUES}], runtime=0.1, runner_name="r")
    run.save(str(tmp_path / "run.json"))
    assert np.array_equal(polygraphy_file(tmp_path / "run.json").tensors[0].read().values, VALUES)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no outputs that Polygraphy saved"),
        ("{", "holds no outputs that Polygraphy saved"),
        ("{}", "holds no outputs that Polygraphy saved: Object missing required field `lst`"),
        ('{"lst": []}', "should hold the outputs of one runner, but has none"),
        ('{"lst": [["a", []], ["b", []]]}', "should hold the outputs of one runner, but has a, b; save them"),
        ('{"lst": [["a", []]]}', "holds no outputs; save them again"),
    ],
)
def test_a_file_without_outputs(tmp_path, content, sentence):
    with pytest.raises(UsageError, match=sentence):
        polygraphy_file(saved(tmp_path / "run.json", content))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"array": "not base64!"}, r"run.json: generator/xs:0 cannot be read"),
        ({"array": encoded(npy(VALUES)[:-3])}, r"run.json: generator/xs:0 cannot be read"),
        ({"array": encoded(npz(VALUES)[:-40])}, r"run.json: generator/xs:0 cannot be read"),
        ({"array": encoded(npy(np.array(["a"])))}, "holds values of type <U1; give real numbers"),
        ({"array": encoded(npy(np.array([None]), allow_pickle=True))}, "cannot be read"),
        ({"array": encoded(npy(VALUES[:0]))}, r"holds no numbers \(shape \(0, 2, 3\)\)"),
        ({"tensor": "UEsDBA=="}, "is a PyTorch tensor; save NumPy arrays"),
        ({}, "is no array; save NumPy arrays"),
    ],
)
def test_an_output_that_cannot_be_read(tmp_path, values, sentence):
    content = {"lst": [["r", [{"outputs": {NAME: {"values": values}}}]]]}
    (tensor,) = polygraphy_file(saved(tmp_path / "run.json", content)).tensors
    with pytest.raises(UsageError, match=sentence):
        tensor.read()
