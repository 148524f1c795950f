"""``--shard``: what can be written, and what GitLab and Kubernetes say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refused

from conformance.shard import read_shard

GITLAB = {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"}
UNPARALLEL = {"CI_NODE_TOTAL": "1"}
"""A GitLab job without ``parallel``."""
KUBERNETES = {"JOB_COMPLETION_INDEX": "0"}


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_shard_counts_from_1_to_their_number(index, total):
    text = f"{index}/{total}"
    if 1 <= index <= total:
        assert read_shard(text, "--shard", {}) == text
    else:
        with refused(rf"^--shard '{text}' is no shard; give I/N with I from 1 to N, such as 2/3$"):
            read_shard(text, "--shard", {})


@given(st.text(max_size=6).filter(lambda text: not re.fullmatch(r"[0-9]+/[0-9]+", text)))
def test_any_other_text_is_refused(text):
    with refused("is no shard; give I/N|finds neither CI_NODE_INDEX"):
        read_shard(text, "--shard", {})


@given(st.integers(1, 9), st.data())
def test_gitlab_counts_from_1_and_kubernetes_from_0(total, data):
    index = data.draw(st.integers(1, total))
    gitlab = {"CI_NODE_INDEX": str(index), "CI_NODE_TOTAL": str(total)}
    assert read_shard("auto", "--shard", gitlab) == f"{index}/{total}"
    assert read_shard(f"auto/{total}", "--shard", gitlab) == f"{index}/{total}"
    kubernetes = {"JOB_COMPLETION_INDEX": str(index - 1)}
    assert read_shard(f"auto/{total}", "--shard", kubernetes) == f"{index}/{total}"


def test_an_empty_variable_says_nothing_and_zeros_in_front_count_nothing():
    assert read_shard("auto", "--shard", GITLAB | {"JOB_COMPLETION_INDEX": ""}) == "2/3"
    assert read_shard("02/003", "--shard", {}) == "2/3"


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("a/b", {}, "^--shard 'a/b' is no shard; give I/N with I from 1 to N, such as 2/3, or auto$"),
        ("3", {}, "'3' is no shard"),
        ("1/3/", {}, "'1/3/' is no shard"),
        ("+1/3", {}, "'[+]1/3' is no shard"),
        ("٢/٣", {}, "is no shard"),
        ("1/" + "9" * 5000, {}, "is no shard"),
        ("auto/0", {}, "finds neither"),
        ("auto/", {}, "'auto/' is no shard"),
        ("auto/x", {}, "'auto/x' is no shard"),
        ("auto", {}, "'auto' finds neither CI_NODE_INDEX .* nor JOB_COMPLETION_INDEX .*; give I/N$"),
        ("auto", UNPARALLEL, "finds neither CI_NODE_INDEX [(]a GitLab job with `parallel`[)] nor"),
        ("auto", GITLAB | KUBERNETES, "finds both CI_NODE_INDEX and JOB_COMPLETION_INDEX .*; unset one, or"),
        ("auto", {"CI_NODE_INDEX": "2"}, "CI_NODE_TOTAL='' in the environment is no whole number; mend it"),
        ("auto", GITLAB | {"CI_NODE_INDEX": "two"}, "CI_NODE_INDEX='two' in the environment is no whole"),
        ("auto", GITLAB | {"CI_NODE_INDEX": "4"}, "^CI_NODE_INDEX=4 with CI_NODE_TOTAL=3 is no shard; give"),
        ("auto", GITLAB | {"CI_NODE_INDEX": "0"}, "CI_NODE_INDEX=0 with CI_NODE_TOTAL=3 is no shard; give"),
        ("auto/4", GITLAB, "'auto/4' contradicts CI_NODE_TOTAL=3; give auto$"),
        (
            "auto",
            KUBERNETES,
            "finds JOB_COMPLETION_INDEX=0, but Kubernetes does not say how many .* auto/N, N",
        ),
        ("auto/3", {"JOB_COMPLETION_INDEX": "-1"}, "JOB_COMPLETION_INDEX='-1' in the environment is no"),
        (
            "auto/3",
            {"JOB_COMPLETION_INDEX": "3"},
            "^JOB_COMPLETION_INDEX=3 [(]counted from 0[)] with --shard 'auto/3' is no shard; give auto/N",
        ),
    ],
)
def test_what_is_no_shard_is_one_sentence(text, environment, said):
    with refused(said):
        read_shard(text, "--shard", environment)
