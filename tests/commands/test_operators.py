"""``operators``: the table, and what of a network is covered by nothing."""

import json


def test_the_table_has_every_precision_and_the_networks(said):
    code, text, error = said("operators")
    assert code == 0, error
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "beautygan" in rows["Conv2D"]
    assert "reduction-mean" in rows["Mean"]
    assert "not modelled" in rows["LRN"]
    assert "-m 'mlu and operators' runs them" in error


def test_of_a_network_it_tells_what_nothing_covers(said, network):
    code, text, _ = said("operators", network.directory, "--json")
    assert code == 0
    assert set(json.loads(text)) == {"network", "not_covered"}


def test_an_unknown_network_is_refused_in_a_sentence(refusal):
    assert "nowhere" in refusal("operators", "nowhere")
