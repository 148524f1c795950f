"""``docs/network.md`` names every key of ``network.toml`` and of a waiver file, and no other."""

import re

import msgspec
import pytest
from support.suite_run import ROOT

from conformance.judging.answers import Answers
from conformance.judging.verdicts import Acceptance
from conformance.judging.waivers import Waiver
from conformance.network_file import Description, Header, Input, Output, Series
from conformance.weights import Weights

PAGE = (ROOT / "docs/network.md").read_text(encoding="utf-8")
TABLES = {
    "[network]": Header,
    "[[input]]": Input,
    "[[output]]": Output,
    "[output.answers]": Answers,
    "[acceptance]": Acceptance,
    "[[series]]": Series,
    "[[weights]]": Weights,
    "[[waiver]]": Waiver,
}


def rows(heading):
    """Return key and default of each row of the table below a heading."""
    section = PAGE.partition(f"### `{heading}`\n")[2].partition("\n#")[0]
    return dict(re.findall(r"(?m)^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", section))


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_explained_and_no_other(heading):
    fields = {field.name: field.required for field in msgspec.structs.fields(TABLES[heading])}
    assert {name: default == "required" for name, default in rows(heading).items()} == fields


@pytest.mark.parametrize("heading", TABLES)
def test_defaults_are_those_of_the_program(heading):
    for field in msgspec.structs.fields(TABLES[heading]):
        default = rows(heading)[field.name]
        if default.startswith("`"):
            given = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            assert default == f"`{msgspec.json.encode(given).decode()}`"
        elif not field.required:
            assert field.default is None


def test_every_table_of_the_file_is_there():
    tables = {field.name for field in msgspec.structs.fields(Description)}
    assert tables == {heading.strip("[]") for heading in TABLES} - {"output.answers", "waiver"}


def test_the_examples_are_read():
    network, waivers = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert msgspec.toml.decode(network, type=Description).input[0].size == (224, 224)
    assert msgspec.toml.decode(waivers, type=dict[str, list[Waiver]])["waiver"][0].modes == ["own"]
