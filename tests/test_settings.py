"""The table of options: the command line, else the environment, else the default; contradictions are said."""

import os
import re
from pathlib import Path

import pytest
from support.refusals import refused

from conformance import locations
from conformance.errors import UsageError
from conformance.options import BY_NAME, OPTIONS, PREFIX, SUITE, Kind
from conformance.settings import read_settings, resolved

HERE = Path("/somewhere")


def of_kind(*kinds):
    return [option for option in OPTIONS if option.kind in kinds and option.twin]


VALUED = of_kind(Kind.TEXT, Kind.PATH, Kind.SECONDS, Kind.COUNT)
MEANING = {Kind.TEXT: str, Kind.PATH: HERE.joinpath, Kind.SECONDS: float, Kind.COUNT: int}


def settings(given=(), environment=()):
    return read_settings(dict(given), dict(environment), HERE)


def value(option, given=(), environment=()):
    return resolved([option], dict(given), dict(environment), HERE)[option.name]


def test_defaults():
    found = settings()
    assert (found.device, found.network, found.nodes, found.profile) == ("auto", "beautygan", "key", "mlu270")
    assert found.golden_dir == locations.GOLDENS
    assert (found.network_path, found.waivers, found.run_dir) == ([], None, None)
    assert (found.require_hardware, found.no_waivers) == (False, False)
    assert (found.device_option, found.device_timeout) == ({}, 300.0)
    assert (found.isolate, found.layer_by_layer) == (False, False)


@pytest.mark.parametrize("option", VALUED, ids=lambda option: option.name)
def test_every_option_has_a_twin_and_the_command_line_wins(option):
    meant = MEANING[option.kind]
    assert option.variable == "MLU_CONFORMANCE_" + option.flag[2:].replace("-", "_").upper()
    first, second = option.choices or ("7", "9")
    assert value(option, {}, {option.variable: first}) == meant(first)
    assert value(option, {option.name: second}, {option.variable: first}) == meant(second)
    assert value(option, {}, {option.variable: ""}) == value(option)


@pytest.mark.parametrize("option", of_kind(Kind.PAIRS), ids=lambda option: option.name)
def test_an_option_that_may_be_given_again_has_a_twin_that_holds_several(option):
    twin = {option.variable: "cards=0,1 'python=/a b/python' empty="}
    given = {option.name: ["core-num=4", "python=/c"]}
    assert value(option, {}, twin) == {"cards": "0,1", "python": "/a b/python", "empty": ""}
    assert value(option, given, twin) == {"core-num": "4", "python": "/c"}
    assert value(option, {}, {option.variable: ""}) == value(option) == {}


@pytest.mark.parametrize("source", ["--unmodelled", "MLU_CONFORMANCE_UNMODELLED"])
def test_an_option_of_a_few_words_takes_no_other(source):
    option = BY_NAME["unmodelled"]
    given = [{option.name: "pass"}, {}] if source.startswith("--") else [{}, {source: "pass"}]
    with pytest.raises(UsageError, match=f"{source} 'pass' is neither skip nor fail; give one of these"):
        value(option, *given)


@pytest.mark.parametrize("option", of_kind(Kind.PATHS), ids=lambda option: option.name)
def test_a_path_that_may_be_given_again_has_a_twin_that_holds_several(option):
    twin = {option.variable: os.pathsep.join(["a", "/b c", ""])}
    assert value(option, {}, twin) == [HERE / "a", Path("/b c")]
    assert value(option, {option.name: ["d", "e"]}, twin) == [HERE / "d", HERE / "e"]
    assert value(option) == value(option, {}, {option.variable: ""}) == []
    with pytest.raises(UsageError, match=f"{option.flag} is empty"):
        value(option, {option.name: ["d", ""]})


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1e3", "\N{SUPERSCRIPT TWO}"])
def test_a_count_is_a_whole_number_above_zero(text):
    option = BY_NAME["rounds"]
    with pytest.raises(UsageError, match=f"--rounds '{text}' is no whole number above 0"):
        value(option, {"rounds": text})


def test_an_option_without_a_twin_is_not_read_from_the_environment():
    option = BY_NAME["from_run"]
    assert value(option) is None
    assert value(option, {"from_run": "run"}) == HERE / "run"
    with pytest.raises(UsageError, match="MLU_CONFORMANCE_FROM_RUN means nothing"):
        value(option, {}, {"MLU_CONFORMANCE_FROM_RUN": "run"})


def test_the_twin_of_an_option_that_is_not_taken_is_no_mistake():
    assert settings({}, {"MLU_CONFORMANCE_PRECISION": "int8-fp16"}) == settings()
    assert BY_NAME["precision"] not in SUITE


def test_names_flags_and_variables_stand_for_one_option_each():
    assert len({option.flag for option in OPTIONS}) == len(BY_NAME) == len(OPTIONS)
    assert all(option.help for option in OPTIONS)


@pytest.mark.parametrize(
    ("given", "environment", "sentence"),
    [
        ({"device_option": ["stock"]}, {}, "--device-option 'stock' is not KEY=VALUE; write it like"),
        ({"device_option": ["=1"]}, {}, "--device-option '=1' is not KEY=VALUE"),
        ({"device_option": ["a=1", "a=2"]}, {}, "--device-option a is given as '1' and '2'; drop one"),
        ({"device_option": [""]}, {}, "--device-option is empty; give a KEY=VALUE or drop it"),
        ({}, {"DEVICE_OPTION": "a"}, "MLU_CONFORMANCE_DEVICE_OPTION 'a' is not KEY=VALUE"),
        ({}, {"DEVICE_OPTION": "a='1"}, "has an open quote; close it"),
        ({"device_timeout": "soon"}, {}, "--device-timeout 'soon' is no number of seconds above 0"),
        ({"device_timeout": "0"}, {}, "--device-timeout '0' is no number of seconds above 0"),
        ({"device_timeout": "-1"}, {}, "--device-timeout '-1' is no number of seconds above 0"),
        ({"device_timeout": "nan"}, {}, "--device-timeout 'nan' is no number of seconds above 0"),
        ({"device_timeout": "inf"}, {}, "--device-timeout 'inf' is no number of seconds above 0"),
        ({}, {"DEVICE_TIMEOUT": "1m"}, "MLU_CONFORMANCE_DEVICE_TIMEOUT '1m' is no number of seconds above 0"),
    ],
)
def test_values_that_are_none(given, environment, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        settings(given, {PREFIX + name: text for name, text in environment.items()})


@pytest.mark.parametrize("option", of_kind(Kind.SWITCH), ids=lambda option: option.name)
@pytest.mark.parametrize(
    ("text", "meaning"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("off", False), ("", False)],
)
def test_every_switch_has_a_twin(option, text, meaning):
    assert value(option, {}, {option.variable: text}) is meaning
    assert value(option, {option.name: True}, {option.variable: text}) is True


def test_a_switch_that_is_neither_true_nor_false():
    with pytest.raises(UsageError, match="MLU_CONFORMANCE_NO_WAIVERS='maybe' is neither true nor false"):
        settings({}, {"MLU_CONFORMANCE_NO_WAIVERS": "maybe"})


@pytest.mark.parametrize(
    ("given", "environment", "flags"),
    [
        ({"waivers": "a", "no_waivers": True}, {}, "--waivers and --no-waivers"),
        (
            {},
            {"MLU_CONFORMANCE_WAIVERS": "a", "MLU_CONFORMANCE_NO_WAIVERS": "1"},
            "MLU_CONFORMANCE_WAIVERS and MLU_CONFORMANCE_NO_WAIVERS",
        ),
        ({"network": "a", "network_path": ["b"]}, {}, "--network and --network-path"),
    ],
)
def test_contradictions(given, environment, flags):
    with pytest.raises(UsageError, match=f"{flags} contradict each other; drop one"):
        settings(given, environment)


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({"no_waivers": True}, {"MLU_CONFORMANCE_WAIVERS": "a"}, {"no_waivers": True, "waivers": None}),
        ({"waivers": "a"}, {"MLU_CONFORMANCE_NO_WAIVERS": "1"}, {"no_waivers": False, "waivers": HERE / "a"}),
        ({"network": "a"}, {"MLU_CONFORMANCE_NETWORK_PATH": "b"}, {"network": "a", "network_path": []}),
        ({"network_path": ["b"]}, {"MLU_CONFORMANCE_NETWORK": "a"}, {"network_path": [HERE / "b"]}),
    ],
)
def test_the_command_line_wins_over_the_opposite_in_the_environment(given, environment, expected):
    found = settings(given, environment)
    assert {name: getattr(found, name) for name in expected} == expected


def test_relative_paths_are_relative_to_where_pytest_was_called_and_absolute_ones_stay():
    assert settings({"run_dir": "runs/a"}).run_dir == HERE / "runs/a"
    assert settings({"run_dir": "/else/a"}).run_dir == Path("/else/a")


def test_an_empty_option_is_no_default():
    with pytest.raises(UsageError, match="--run-dir is empty; give a DIR or drop it"):
        settings({"run_dir": ""})


def test_a_misspelt_twin_is_not_ignored():
    with pytest.raises(UsageError, match=r"MLU_CONFORMANCE_REQUIRE_HARDWAR means nothing \(near names"):
        settings(environment={"MLU_CONFORMANCE_REQUIRE_HARDWAR": "1"})


@pytest.mark.parametrize("option", VALUED, ids=lambda option: option.name)
def test_bytes_that_are_no_text_are_refused(option):
    """Python has them as lone surrogates, which no JSON may hold."""
    with refused(f"{option.flag} caf\\\\udce9 is not UTF-8, or the locale is of ASCII alone"):
        value(option, {option.name: "caf\udce9"})
