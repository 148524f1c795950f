"""The table at the end of a run: counts, worst node, worst output, no figure where there is none."""

from support.records import record

from conformance.judging.bounds import ErrorValues
from conformance.judging.verdicts import Reached
from conformance.report.summary import HEADINGS, summary_lines, summary_rows

BOUNDS = ErrorValues(1e-6, 1e-4, 1e-2, 1e-4)


def own(outcome="conforms", times=1.0, **changes):
    """Return the record of a node whose largest error is ``times`` its bound."""
    needed = ErrorValues(0.0, 0.0, times * BOUNDS.max_abs, 0.0)
    return record(outcome, bounds=BOUNDS, needed=needed, **changes)


def fused(cosine, psnr, outcome="conforms"):
    return record(outcome, mode="fused", reached=Reached(cosine=cosine, psnr=psnr))


def row(*records):
    (found,) = summary_rows(records)
    return dict(zip(HEADINGS, found, strict=True))


def test_outcomes_are_counted():
    found = row(
        own(),
        own(),
        own("deviates"),
        own("waived"),
        record("broken"),
        record("unsupported"),
        record("unsupported"),
    )
    assert found["precision"] == "int8-fp16"
    assert [found[name] for name in ("own", "conforms", "deviates", "waived")] == ["7", "2", "1", "1"]
    assert found["other"] == "1 broken, 2 unsupported"


def test_what_is_not_modelled_is_counted_below_the_table():
    found = [own(), record("unmodelled", case="n/b", unmodelled="LRN ran in float"), own()]
    assert row(*found)["other"] == "1 unmodelled"
    assert summary_lines(found)[-1] == (
        "unmodelled: 1 of 3 results say nothing of a card, n/b first: LRN ran in float"
    )
    assert len(summary_lines([own()])) == 2


def test_the_worst_node_is_named_with_its_ratio():
    assert (
        row(own(times=0.5), own("deviates", 3.0, node="b"), own(times=0.9))["worst node (error / bound)"]
        == "b (3)"
    )
    assert row(own(times=2390.4))["worst node (error / bound)"] == "a (2.39e+03)"
    assert row(own(times=1e7))["worst node (error / bound)"] == "a (1.0e+07)"


def test_a_result_without_numbers_is_worse_than_any():
    nan = record("deviates", bounds=BOUNDS, node="nan")
    assert row(own("deviates", 1e9), nan)["worst node (error / bound)"] == "nan (inf)"


def test_no_worst_node_where_nothing_was_compared():
    assert row(record("broken"), record("broken"))["worst node (error / bound)"] == "-"


def test_the_worst_output_is_shown():
    found = row(fused(0.9999, 50.0), fused(0.95, 60.0, "waived"), fused(0.99, 7.34))
    assert (found["cosine"], found["PSNR dB"], found["fused"]) == ("0.9500000", "7.3", "conforms, waived")


def test_every_output_has_a_row():
    """The figures of one are not those of another; what is judged of nodes stands once."""
    outputs = [
        record("conforms", mode="fused", node="boxes", reached=Reached(cosine=0.999, psnr=50.0)),
        record("deviates", mode="fused", node="scores", reached=Reached(cosine=0.5, psnr=7.0)),
        record("conforms", mode="fused", node="boxes", reached=Reached(cosine=0.998, psnr=60.0)),
    ]
    first, second = (dict(zip(HEADINGS, found, strict=True)) for found in summary_rows([own(), *outputs]))
    assert (first["own"], first["output"], first["cosine"], first["fused"]) == (
        "1",
        "boxes",
        "0.9980000",
        "conforms",
    )
    assert (second["output"], second["cosine"], second["fused"]) == ("scores", "0.5000000", "deviates")
    assert {second[name] for name in HEADINGS[:8]} == {""}
    lines = summary_lines([own(), *outputs])
    assert "network" not in lines[0]
    assert lines[0].index("output") == lines[1].index("boxes") == lines[2].index("scores")
    assert "output" not in summary_lines([own(), *outputs[::2]])[0]


def test_exact_and_zero_outputs():
    found = row(fused(None, None))
    assert (found["cosine"], found["PSNR dB"]) == ("-", "exact")
    assert row(fused(None, None), fused(0.5, 20.0))["PSNR dB"] == "20.0"


def test_an_output_without_figures_hides_those_of_the_others():
    found = row(fused(1.0, 90.0), record("deviates", mode="fused"))
    assert (found["cosine"], found["PSNR dB"], found["fused"]) == ("-", "-", "conforms, deviates")


def test_modes_that_did_not_run_show_no_figures():
    chained = row(record("measured", mode="chained"))
    assert [chained[name] for name in HEADINGS[2:]] == ["0", "0", "0", "0", *["-"] * 7]
    assert row(own())["fused"] == "-"


def test_rows_are_the_precisions_in_order_and_columns_are_aligned():
    records = [own(precision=name) for name in ("int16-fp32", "int8-fp16", "int8-fp32")]
    lines = summary_lines(records)
    assert [line.split()[0] for line in lines] == ["precision", "int8-fp16", "int8-fp32", "int16-fp32"]
    for heading in (name for name in HEADINGS if name not in ("network", "output", "right")):
        column = lines[0].index(f"{heading}")
        assert all(line[column - 1 : column] in ("", " ") for line in lines)


def test_rows_name_their_network_where_there_are_several():
    lines = summary_lines([own(network="b"), own(network="a", precision="int8-fp32")])
    assert [line.split()[:2] for line in lines] == [
        ["network", "precision"],
        ["b", "int8-fp16"],
        ["a", "int8-fp32"],
    ]


def test_right_answers_have_a_column_where_an_output_gives_answers():
    answering = record(mode="fused", reached=Reached(cosine=1.0, psnr=None, answers=0.875))
    assert row(answering, fused(1.0, 50.0))["right"] == "87.5%"
    assert "87.5%" in "\n".join(summary_lines([answering]))
    assert "right" not in summary_lines([fused(1.0, 50.0)])[0]


def test_a_run_without_records_has_headings_only():
    assert len(summary_lines([])) == 1
