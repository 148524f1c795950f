"""A network's description and inputs: read as written; every mistake is one sentence with file and key."""

import io
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image
from support import small_network
from support.damage import edited
from support.emulation import ROOT, placeholder
from support.refusals import refused
from support.toy_network import write_toy

from conformance.errors import EXIT_USAGE
from conformance.networks import Network, find_network, network_at


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return small_network.write(tmp_path_factory.mktemp("networks") / "small")


@pytest.fixture
def directory(original, tmp_path):
    return shutil.copytree(original, tmp_path / "small")


def edit(directory, old, new):
    edited(directory / "network.toml", old, new)
    return directory


def use(directory):
    """Read everything that a run reads."""
    network = Network(directory)
    assert network.graph.outputs
    return [network.feeds(sample) for sample in range(network.samples)], network.input_sha256


def test_the_description(directory):
    network = Network(directory)
    assert (network.name, network.samples) == ("small", 2)
    assert [output.name for output in network.outputs] == ["picture", "score"]
    assert [output.span for output in network.outputs] == [2, 1]
    assert (network.acceptance.cosine, network.acceptance.psnr) == (0.999, 40)
    assert network.graph.inputs == ("image", "style")


def test_pictures_are_scaled_and_arrays_fed_as_they_are(directory):
    feeds = Network(directory).feeds(1)
    with Image.open(directory / "image-2.png") as image:
        pixels = np.asarray(image)[None]
    assert pixels.shape == (1, 12, 10, 3)
    assert feeds["image"].dtype == np.float32
    assert np.array_equal(feeds["image"], (pixels / 128 - 1).astype(np.float32))
    assert np.array_equal(feeds["style"], np.load(directory / "style-2.npy"))


def test_grey_and_transparent_pictures_become_three_channels(directory):
    with Image.open(directory / "image-1.png") as image:
        image.convert("LA").save(directory / "image-1.png")
    assert Network(directory).feeds(0)["image"].shape == (1, 12, 10, 3)


def test_pictures_of_one_channel(directory):
    """A picture in colours becomes shades of grey where the network takes one channel."""
    with Image.open(directory / "image-2.png") as image:
        grey = np.asarray(image.convert("L"))[None, ..., None]
    edit(directory, "size = [12, 10]", "size = [12, 10]\nchannels = 1")
    with refused("has shape 1x12x10x1, but input 'image' of .*graph.pb wants .x12x10x3"):
        use(directory)
    network = Network(directory)
    network.description.input[0].name = "other"
    assert np.array_equal(network._samples[1]["other"], (grey / 128 - 1).astype(np.float32))


def test_a_single_number_is_an_array(tmp_path):
    """A scalar of NumPy is none: no device can be handed it read-only."""

    def build(tf):
        x, keep = placeholder(tf, shape=(3,)), placeholder(tf, "keep", ())
        tf.multiply(x, keep, name="out")

    inputs = {"x": [np.ones(3, np.float32)], "keep": [np.float32(0.5)]}
    feeds = Network(write_toy(tmp_path, build, inputs)).feeds(0)
    assert isinstance(feeds["keep"], np.ndarray)
    assert (feeds["keep"].shape, feeds["keep"].dtype) == ((), np.float32)


def test_samples_of_different_sizes(tmp_path):
    samples = [np.ones((1, size, 3), np.float32) for size in (4, 4, 5)]

    def build(tf):
        tf.tanh(placeholder(tf, shape=(1, None, 3)), name="out")

    network = Network(write_toy(tmp_path, build, {"x": samples}))
    with refused(
        r"x-2.npy has shape 1x5x3, but x-0.npy, the first sample of 'x', has 1x4x3; give samples of"
    ):
        network.feeds(0)
    assert Network(write_toy(tmp_path, build, {"x": samples[:2]})).feeds(1)["x"].shape == (1, 4, 3)


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (
            "ArgMax",
            r"output 'out' in .*network.toml is of type int64 \(ArgMax\), .*; name 'mean', which it",
        ),
        (
            "TopKV2",
            r"output 'out' in .* is of type int32 \(Identity\), but only outputs of a float type can",
        ),
        ("Shape", r"output 'out' in .* is of type int32 \(Shape\), .* judged; name another"),
    ],
)
def test_an_output_of_whole_numbers(tmp_path, op, said):
    def build(tf):
        x = placeholder(tf, shape=(2, 4))
        mean = tf.tanh(x, name="mean")
        if op == "ArgMax":
            tf.argmax(mean, -1, name="out")
        elif op == "TopKV2":
            tf.identity(tf.math.top_k(mean, 2).indices, name="out")
        else:
            tf.raw_ops.Shape(input=x, name="out")

    with refused(said):
        use(write_toy(tmp_path, build, {"x": [np.ones((2, 4), np.float32)]}))


def test_the_digest_of_the_inputs_sees_every_value(directory):
    before = Network(directory).input_sha256
    assert Network(directory).input_sha256 == before
    style = np.load(directory / "style-2.npy")
    style[0, 3, 3, 1] = np.nextafter(style[0, 3, 3, 1], np.float32(9))
    np.save(directory / "style-2.npy", style)
    changed = Network(directory).input_sha256
    assert changed != before
    assert Network(edit(directory, "offset = -1.0", "offset = -1.5")).input_sha256 not in (before, changed)


def test_networks_are_found_by_name(original):
    assert find_network("small", original.parent).name == "small"
    with refused(r"network 'smal' is not in .* \(near names: small\)"):
        find_network("smal", original.parent)
    with refused("network 'small' is not in"):
        find_network("small", original / "nowhere")


def test_the_shipped_network_reads():
    assert find_network("beautygan", ROOT / "fixtures/networks").samples == 2


FILES = 'files = ["image-1.png", "image-2.png"]'


def recipe(text, match="*"):
    """Return what to replace, and by what, for a recipe of weights."""
    return "[acceptance]", f"[[weights]]\nmatch='{match}'\n{text}\n[acceptance]"


BAD_DESCRIPTIONS = [
    ("[network]", "[network", "Expected ']'"),
    ('name = "small"', "", r"missing required field `name` - at `\$.network`"),
    *(
        (
            'name = "small"',
            f'name = "{name}"',
            f"name '{name}' may hold a-z, A-Z, 0-9, '_', '.' and '-', and nothing else",
        )
        for name in ("../small", "my network", "", "größe", "/small")
    ),
    *(
        ('name = "small"', f'name = "{name}"', f"name '{name}' may not start with '{name[0]}'")
        for name in (".", "..", ".git", "--help")
    ),
    ('name = "small"', r'name = "small\n"', "may hold a-z, A-Z, 0-9"),
    ('name = "small"', r'name = "small\u0000"', "may hold a-z, A-Z, 0-9"),
    ('name = "small"', f'name = "{"a" * 101}"', "name 'a+' is longer than 100 characters"),
    (
        "[acceptance]\ncosine = 0.999\npsnr = 40.0\n",
        "",
        r"\[acceptance\] is missing; add it with cosine, psnr or",
    ),
    ('name = "small"', "name = 3", r"Expected `str`, got `int` - at `\$.network.name`"),
    ('graph = "graph.pb"', 'grph = "graph.pb"', r"(unknown field `grph`|missing required field `graph`)"),
    ('graph = "graph.pb"', 'graph = "graph.pb"\nseed = 3', "unknown field `seed`"),
    (FILES, "files = []", r"length >= 1 - at `\$.input\[0\].files`"),
    (FILES, 'files = "image-1.png"', r"Expected `array`.*\$.input\[0\].files"),
    ("size = [12, 10]", "size = [12]", r"length 2.*\$.input\[0\].size"),
    ("size = [12, 10]", 'size = ["12", 10]', r"Expected `int`.*\$.input\[0\].size"),
    ("scale = 0.0078125", "scale = nan", r"scale nan should be finite.*\$.input\[0\]"),
    ("scale = 0.0078125", "scale = 0.0", r"scale 0.0 should be finite and not 0.*\$.input\[0\]"),
    ("offset = -1.0", "offset = inf", r"offset inf finite.*\$.input\[0\]"),
    ("range = [-1.0, 1.0]", "range = [1.0, -1.0]", r"range is 1.0 to -1.0, but should be finite and rise"),
    ("range = [-1.0, 1.0]", "range = [0.0, 0.0]", r"range is 0.0 to 0.0, but.*\$.output\[0\]"),
    ("range = [-1.0, 1.0]", "range = [0.0, inf]", r"range is 0.0 to inf, but.*\$.output\[0\]"),
    ("range = [-1.0, 1.0]", "", r"missing required field `range` - at `\$.output\[0\]`"),
    ("cosine = 0.999", "cosine = 1.5", r"cosine is 1.5, but should be above 0 and at most 1.*\$.acceptance"),
    ("cosine = 0.999\npsnr = 40.0", "", r"nothing is demanded; give cosine, psnr or answers.*\$.acceptance"),
    ("psnr = 40.0", "answers = 0.9", r"acceptance.answers is 0.9, but output.answers is given for no output"),
    ("psnr = 40.0", "answers = 90", r"answers is 90.0, but should be above 0 and at most 1.*\$.acceptance"),
    ('name = "style"', 'name = "image"', "input 'image' is given twice"),
    ('name = "score"', 'name = "picture"', "output 'picture' is given twice"),
    (*recipe("kind='zeros'"), r"'zeros' - at `\$.weights\[0\].kind`"),
    (
        'name = "score"',
        'name = "score:1"',
        r"'score:1' is output 1 of node 'score', but only .*, such as an Identity .* - at `\$.output\[1\]`",
    ),
    ('name = "style"', 'name = "style:1"', r"'style:1' is output 1 of node 'style', .*\$.input\[1\]"),
    ('name = "score"', 'name = "picture:0"', "output 'picture' is given twice"),
    (*recipe("kind='file'"), r"kind is 'file' and file is ''"),
    (*recipe("kind='constant'\nvalue=nan"), r"value nan should be finite.*\$.weights\[0\]"),
    (*recipe("kind='truncated-normal'\nstd=-1.0"), r"> 0.0 - at `\$.weights\[0\].std`"),
]


@pytest.mark.parametrize(("old", "new", "said"), BAD_DESCRIPTIONS)
def test_bad_descriptions(directory, old, new, said):
    with refused(f"network .*network.toml is malformed: .*{said}") as error:
        Network(edit(directory, old, new))
    assert str(directory / "network.toml") in str(error.value)
    assert error.value.exit_code == EXIT_USAGE


def test_the_first_output_of_a_node_is_the_node(directory):
    edit(edit(directory, 'name = "score"', 'name = "score:0"'), 'name = "style"', 'name = "style:0"')
    network = Network(directory)
    assert [output.name for output in network.outputs] == ["picture", "score"]
    use(directory)


def test_a_network_at_a_path(directory):
    for path in (directory, directory / "network.toml"):
        assert network_at(path).directory == directory
    with refused(r"graph.pb is the graph alone; give .*network.toml, which describes"):
        network_at(directory / "graph.pb")
    (directory / "network.toml").unlink()
    with refused(r"not yet a network; make .* `mlu-conformance init .*/graph.pb`"):
        network_at(directory / "graph.pb")
    with refused(r"network.toml cannot be read"):
        network_at(directory)


def test_a_path_at_which_no_network_is(directory):
    with refused(r"small/image-1.png is no network; give a directory with network.toml$"):
        network_at(directory / "image-1.png")
    with refused(r"small/network.tml does not exist \(near names: network.toml\); give a directory with"):
        network_at(directory / "network.tml")
    with refused(r"/smal does not exist \(near names: small\); give a directory with network.toml$"):
        network_at(directory.with_name("smal"))


@pytest.mark.parametrize("name", ["my.keras", "my.h5", "my graph.pbtxt", "saved", "saved/saved_model.pb"])
def test_a_model_is_not_yet_a_network(tmp_path, name):
    path = tmp_path / name
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").touch()
    if not path.exists():
        path.touch()
    with refused(
        f"{path} is a model, not yet a network; make its network.toml with `mlu-conformance init "
    ) as error:
        network_at(path)
    assert str(error.value).endswith(f"init {shlex.quote(str(path))}`")


def test_a_network_may_lie_in_the_directory_of_its_saved_model(directory):
    (directory / "saved_model.pb").touch()
    assert network_at(directory).name == "small"


BAD_CONTENTS = [
    (FILES, 'files = ["image-1.png"]', "'style' in .*network.toml has 2 files, but 'image' has 1"),
    ('graph = "graph.pb"', f'graph = "{"x" * 5000}"', "names the graph 'x+', but .* is no file"),
    ('graph = "graph.pb"', 'graph = "other.pb"', "names the graph 'other.pb', but .*other.pb is no file"),
    ('graph = "graph.pb"', 'graph = "network.toml"', "frozen graph .*network.toml is not a GraphDef"),
    ('"image-2.png"', '"image-3.png"', "names the file of input 'image' 'image-3.png', but .* is no file"),
    ('"image-2.png"', '"graph.pb"', "input .*graph.pb cannot be read as an image"),
    ('"image-2.png"', '"style-1.npy"', None),
    (
        'name = "style"',
        'name = "stile"',
        "image, stile, but .* has the inputs image, style; mend stile, style",
    ),
    ('name = "score"', 'name = "scores"', r"node 'scores' is not in .*graph.pb \(near names: score"),
    ("size = [12, 10]", "size = [10, 12]", r"png is 12x10 \(height x width\), but input 'image' wants 10x12"),
    ("size = [12, 10]", "", "image-1.png is 12x10 .*, but input 'image' wants a `size`"),
    (*recipe("kind='constant'", "kernel*"), "weights 'kernel.' in .*network.toml match no constant"),
    (
        *recipe("kind='constant'", "*axis*"),
        "weights '.axis.' in .*network.toml match 'join/axis', which holds int32; narrow the pattern",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), BAD_CONTENTS)
def test_descriptions_that_do_not_fit_the_files(directory, old, new, said):
    edit(directory, old, new)
    if said is None:
        assert len(use(directory)[0]) == 2  # an array of the right shape is as good as a picture
        return
    with refused(said) as error:
        use(directory)
    assert error.value.exit_code == EXIT_USAGE


def stored(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def zipped(array):
    buffer = io.BytesIO()
    np.savez(buffer, array)
    return buffer.getvalue()


GOOD = np.zeros((1, 12, 10, 3), np.float32)
BAD_ARRAYS = [
    (b"", "style-2.npy cannot be read as .npy"),
    (b"not an array", "style-2.npy cannot be read as .npy"),
    (stored(GOOD)[:200], "style-2.npy cannot be read as .npy"),
    (zipped(GOOD), "style-2.npy cannot be read as .npy"),
    (stored(np.array([{}], object), allow_pickle=True), "style-2.npy cannot be read as .npy: Object arrays"),
    (stored(np.full((1, 12, 10, 3), "a")), "style-2.npy holds 360 values of type <U1; give real numbers"),
    (stored(GOOD.astype(complex)), "style-2.npy holds 360 values of type complex128"),
    (stored(GOOD[:0]), "style-2.npy holds 0 values of type float32"),
    (stored(np.full_like(GOOD, np.nan)), "style-2.npy holds NaN or Inf"),
    (stored(np.full_like(GOOD, 1e300, np.float64)), "style-2.npy holds NaN or Inf"),
    (stored(GOOD[..., :2]), "has shape 1x12x10x2, but input 'style' of .*graph.pb wants .x12x10x3"),
    (stored(GOOD[0]), "style-2.npy has shape 12x10x3, but input 'style'"),
    (stored(np.float32(1)), "style-2.npy has shape of a single number, but input 'style'"),
]


@pytest.mark.parametrize(("data", "said"), BAD_ARRAYS)
def test_bad_arrays(directory, data, said):
    (directory / "style-2.npy").write_bytes(data)
    with refused(said):
        use(directory)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "huge"])
def test_bad_pictures(directory, damage, monkeypatch):
    path = directory / "image-2.png"
    data = path.read_bytes()
    path.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "text": b"P3"}.get(damage, data))
    if damage == "huge":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with refused(r"input .*image-[12].png cannot be read as an image"):
        use(directory)


def test_numbers_that_an_integer_input_cannot_hold(tmp_path):
    def build(tf):
        tf.cast(placeholder(tf, shape=(3,), dtype="int32"), tf.float32, name="out")

    write_toy(tmp_path, build, {"x": [np.array([1, 2, 3], np.int32)]})
    ((feeds,), _) = use(tmp_path)
    assert feeds["x"].tolist() == [1, 2, 3]
    assert feeds["x"].dtype == np.int32
    said = r"x-0.npy, scaled as .*network.toml says, does not fit the int32 of input 'x'"
    with refused(said):
        use(edit(tmp_path, '["x-0.npy"]', '["x-0.npy"]\nscale = 0.5'))


def test_a_missing_description(tmp_path):
    with refused(r"network .*network.toml cannot be read: No such file"):
        Network(tmp_path)


ANSWERS = """range = [0.0, 1.0]
[output.answers]
measure = "class"
truth = ["truth-1.npy", "truth-2.npy"]

[acceptance]
answers = 0.5"""


@pytest.fixture
def answering(directory):
    for sample in (1, 2):
        np.save(directory / f"truth-{sample}.npy", np.array([sample]))
    return edit(directory, "range = [0.0, 1.0]\n\n[acceptance]", ANSWERS)


def test_the_truth_of_a_sample_is_read(answering):
    network = Network(answering)
    assert network.acceptance.answers == 0.5
    assert network.truth(network.outputs[1], 1, (1, 5)) == [2]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), r"names the truth of 'score' 'truth-2.npy', but .* is no file"),
        (lambda path: path.write_bytes(b"no"), r"truth .*truth-2.npy cannot be read as .npy"),
        (lambda path: np.save(path, np.array([7])), "give whole numbers from 0 to 4"),
        (lambda path: np.save(path, np.array([], int)), "holds 0 values of type int64; give real numbers"),
    ],
)
def test_a_truth_that_cannot_be_used_is_one_sentence(answering, spoil, said):
    spoil(answering / "truth-2.npy")
    network = Network(answering)
    with refused(said):
        network.truth(network.outputs[1], 1, (1, 5))


def test_every_sample_has_a_truth(answering):
    edit(answering, '"truth-1.npy", "truth-2.npy"', '"truth-1.npy"')
    with refused(r"truth of 'score' in .* has 1 files, but 'image' has 2"):
        Network(answering)


def test_a_picture_that_is_far_too_large_is_not_decoded(directory, monkeypatch):
    from PIL import Image

    Image.new("1", (11_000, 11_000)).save(directory / "image-1.png")
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("its pixels were decoded"))
    with refused(r"image-1.png is 11000x11000 \(height x width\), but input 'image' wants 12x10"):
        Network(directory).feeds(0)


def test_an_array_that_promises_a_trillion_numbers(directory):
    with (directory / "style-1.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
        )
    with refused("input .*style-1.npy cannot be read as .npy: it should hold 4000000000000 bytes"):
        Network(directory).feeds(0)
