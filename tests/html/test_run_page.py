"""The page of a run: its verdict, what went wrong, the rest in proportion; whatever a node is called."""

import base64
import json
import re

import msgspec
import pytest
from PIL import Image
from support.records import record
from support.report_sources import ALL, NASTY, NOW, chained, errors, fused, own, small_records, write_run

from conformance.errors import UsageError
from conformance.html.along import errors_of
from conformance.html.run_cases import Cell, findings, matrix, once
from conformance.html.run_page import run_page
from conformance.runs.directory import TIMES
from conformance.runs.environment import JudgedFrom, UsedDevice

MEGABYTE = 1_000_000


@pytest.fixture
def page(tmp_path, parsed):
    """Return the page of a run that has these records."""

    def make(records, **more):
        return parsed(run_page(write_run(tmp_path / "run", records, **more)))

    return make


def unmodelled(reasons=()):
    """Return the record of a node of which nobody knows what is right."""
    return own("e", op="Exp", outcome="unmodelled", unmodelled="Exp at fp16", reasons=list(reasons))


@pytest.mark.parametrize(
    ("records", "verdict", "says"),
    [
        ([own("a"), fused()], "CONFORMS", "Everything that was judged is as right"),
        ([own("a", share=2.0), own("b")], "DEVIATES", "1 case deviates: Mean at fp16 (1)."),
        ([own("a", outcome="broken")], "DEVIATES", "1 case deviates: Mean at fp16 (1)."),
        ([own("a", share=2.0, outcome="waived")], "CONFORMS, WITH WAIVERS", "1 case deviates and is waived"),
        ([own("a", waiver="w")], "STALE WAIVER", "waiver 'w' is stale"),
        ([own("a"), unmodelled()], "CONFORMS IN PART", "1 case could not be judged: Exp at fp16 (1)."),
        (
            [own("a"), unmodelled(["no"])],
            "NOT MODELLED",
            "The run was told to fail for what is not modelled.",
        ),
        ([own("a", share=2.0), unmodelled()], "DEVIATES", "1 case could not be judged"),
        ([unmodelled()], "NO VERDICT", "Nothing was judged"),
        ([own("a", outcome="unsupported")], "NO VERDICT", "Nothing was judged"),
        ([chained("a")], "NO VERDICT", "Nothing was judged"),
        ([], "NO VERDICT", "Nothing was judged"),
    ],
)
def test_the_verdict_comes_first(page, records, verdict, says):
    made = page(records)
    assert made.verdict == verdict
    assert says in made.words
    assert made.text.index(f">{verdict}<") < made.text.index("<main")
    assert made.words.startswith(f"{verdict}: ")  # the title


def test_what_deviates_is_named_before_what_is_waived(page):
    made = page([own("a", share=2.0), own("b", share=3.0, outcome="waived"), own("c", share=9.0)])
    assert made.words.index("2 cases deviate") < made.words.index("1 case deviates and is waived")


def test_a_run_that_did_not_end_has_no_verdict(page):
    made = page([own("a")], ended=False)
    assert made.verdict == "NO VERDICT"
    assert "was cut short or still runs" in made.words


def test_a_run_that_did_not_end_deviates_all_the_same(page):
    assert page([own("a", share=2.0)], ended=False).verdict == "DEVIATES"


def test_a_record_that_was_cut_off_is_said_and_the_others_are_shown(tmp_path, parsed):
    run = write_run(tmp_path / "run", [own("first"), own("last")])
    content = (run / "records.jsonl").read_bytes()
    (run / "records.jsonl").write_bytes(content[:-30])
    made = parsed(run_page(run))
    assert made.verdict == "NO VERDICT"
    assert "line 2 is truncated" in made.words
    assert "first" in made.texts
    assert "last" not in made.texts


def test_records_that_were_edited_are_no_verdict(tmp_path, parsed):
    run = write_run(tmp_path / "run", [own("a", share=2.0), own("b")])
    content = (run / "records.jsonl").read_text()
    (run / "records.jsonl").write_text(content.replace('"deviates"', '"conforms"'))
    made = parsed(run_page(run))
    assert made.verdict == "NO VERDICT"
    assert "is not as the run left it" in made.words


def test_names_from_outside_stay_text(tmp_path, parsed):
    evil = {"driver": "<img src=x onerror=alert(1)>", "model": "</title><script>alert(2)</script>"}
    records = [
        own(NASTY, op="</script><b>Op", share=4.0, reasons=["<i>because</i> & so"], network="<u>net"),
        chained(NASTY, op="</script><b>Op", network="<u>net"),
    ]
    run = write_run(tmp_path / "run</title>", records, device=evil, options={"<s>": "</style><p>"})
    made = parsed(run_page(run))
    assert NASTY.split("/")[-1] in made.texts
    assert "<i>because</i> & so" in made.words
    assert evil["driver"] in made.words
    names = {name for name, _ in made.elements}
    assert not names & {"img", "b>op", "i", "u", "s"}
    assert len(re.findall(r"<script(?! type=.application/json)", made.text)) == 1
    assert "alert(1)" not in "".join(re.findall(r"<script.*?</script>", made.text, re.DOTALL)).replace(
        "\\u003cscript\\u003ealert(1)", ""
    )


def test_no_other_script_may_run(page):
    made = page([own("a")])
    policy = next(item["content"] for item in made.all("meta") if "http-equiv" in item)
    assert "default-src 'none'" in policy
    digest = re.search(r"script-src 'sha256-([^']+)'", policy)[1]
    assert len(base64.b64decode(digest)) == 32


def test_the_matrix_has_the_worst_operator_first_and_the_whole_network_last():
    rows = matrix([*small_records(), own("z", op="Add", share=0.999)], ALL)
    assert [row.name for row in rows] == ["Mean", "Add", "Conv2D", "whole network, fused"]
    mean, add = rows[0].cells, rows[1].cells
    assert [(cell.outcome, cell.total) for cell in mean] == [
        ("deviates", 4),
        ("conforms", 4),
        ("deviates", 4),
        ("conforms", 4),
    ]
    assert mean[0].share == pytest.approx(10.0)
    assert add[1:] == [None, None, None]


def test_a_cell_has_the_worst_of_its_records():
    cell = Cell.of([own("a", share=0.2), own("b", share=7.0), own("c", share=9.0, outcome="waived")])
    assert (cell.outcome, cell.counts) == ("deviates", {"deviates": 1, "waived": 1, "conforms": 1})
    assert cell.share == pytest.approx(9.0)
    assert Cell.of([]) is None
    none = record("deviates", **errors(1.0) | {"needed": None})
    assert Cell.of([none]).share == float("inf")


def test_the_worst_findings_come_first_and_the_closest_that_conform_last():
    records = [own(f"n{number}", share=number / 4, precision="int8-fp16") for number in range(1, 12)]
    records += [own("known", share=99.0, outcome="waived"), own("gone", outcome="broken")]
    found, left_out = findings(records, {}, most=8)
    assert [item.record.node for item in found[:3]] == ["gone", "n11", "n10"]
    assert [item.record.node for item in found[8:]] == ["n4", "n3", "n2", "n1"]
    assert left_out == 1


def test_an_output_that_was_timed_counts_twice_only_if_it_came_out_otherwise():
    plain = fused()
    same, other = (
        msgspec.structs.replace(plain, case=f"{plain.case}-timed", outcome=outcome, reasons=["it moved"])
        for outcome in ("conforms", "deviates")
    )
    assert once([plain, same]) == [plain]
    assert once([plain, other]) == [plain, other]
    assert once([same]) == [same]


def test_inherited_is_what_own_does_not_explain():
    found = errors_of([own("a", share=3.0), chained("a", share=5.0), own("b")], "int8-fp16")
    assert found["a"].own == pytest.approx(3e-3)
    assert found["a"].inherited == pytest.approx(4e-3)
    assert found["a"].bound == pytest.approx(1e-3)
    assert found["b"].inherited is None


def test_own_is_what_is_held_to_the_bound():
    needed = errors(0.5)["needed"]
    held = msgspec.structs.replace(own("a", share=3.0), needed=needed)
    found = errors_of([held, chained("a", share=5.0)], "int8-fp16")["a"]
    assert found.own == pytest.approx(0.5e-3)
    assert found.inherited == pytest.approx(4e-3)
    none = msgspec.structs.replace(held, needed=None)
    assert errors_of([none], "int8-fp16")["a"].own == pytest.approx(3e-3)


def test_findings_lead_to_the_rows_of_their_nodes(page):
    made = page(small_records())
    links = {item["href"][1:] for item in made.all("a") if re.fullmatch(r"#n\d+", item["href"])}
    rows = {item["id"] for item in made.all("tr") if "id" in item}
    assert links
    assert links <= rows
    assert len(rows) == 8


def test_what_the_device_does_not_tell_is_said(page):
    made = page([own("a")])
    assert made.texts[made.texts.index("firmware") + 1] == "not told"
    assert made.texts[made.texts.index("driver") + 1] == "4.20.11"


def test_cards_say_how_they_were(page):
    used = [
        UsedDevice(process=f"gw{number}", device={"serial": f"012{number}"}, before={"clock MHz": 1000.0})
        for number in range(2)
    ]
    words = page([own("a")], devices=used, held_to={"margins": "ab" * 32}).words
    assert "gw1 serial 0121; clock MHz 1000.0 before, not told after" in words
    assert "margins abababababab" in words


def test_another_judgement_of_a_run_says_so(page):
    again = JudgedFrom(
        run="runs/first",
        records_sha256="ab" * 32,
        version="0.1.0",
        judged=NOW,
        rules={"margins": "wide.toml"},
    )
    made = page([own("a")], judged_from=again)
    assert made.words.index("JUDGED AGAIN") < made.words.index("Environment")
    assert "runs/first" in made.texts
    assert "wide.toml" in made.texts


def test_what_is_not_judged_is_grouped_by_its_reason(page):
    records = [
        record(
            "unsupported",
            case=f"c{number}",
            op=op,
            notes=["no calibration"],
            mode="calibration",
            precision="int8",
        )
        for number, op in enumerate(["Conv2D", "MatMul", "Conv2D"])
    ]
    assert "n int8 calibration: 3 cases (Conv2D, MatMul): no calibration" in page([*records, own("a")]).words


def test_times_stand_beside_the_roofline(page):
    times = {("n", "int8-fp16"): [0.010, 0.012, 0.016], ("n", "int8-fp32"): [0.001, 0.002, 0.003]}
    made = page([own("a")], timed=times)
    assert "12 ms" in made.texts
    assert "1.5" in made.texts
    assert "below the roofline: no time" in made.words
    assert "SIMULATED" not in made.words


def test_an_emulator_says_simulated(tmp_path, parsed):
    records = [own("a")]
    simulated = [
        type(item)(**{name: getattr(item, name) for name in item.__struct_fields__} | {"simulated": True})
        for item in records
    ]
    run = write_run(
        tmp_path / "run", simulated, device={"simulated": True}, timed={("n", "int8-fp16"): [0.1]}
    )
    made = parsed(run_page(run))
    assert made.words.index("SIMULATED") < made.words.index("Environment")
    assert "the times are the emulator's on this computer, not a card's" in made.words


@pytest.mark.parametrize("time", [0.0, -1.0, 1e300])
def test_a_time_that_is_none_is_one_sentence(tmp_path, time):
    run = write_run(tmp_path / "run", [own("a")], timed={("n", "int8-fp16"): [0.1, time]})
    with pytest.raises(UsageError, match=rf"has {re.escape(str(time))} seconds for n at int8-fp16, which"):
        run_page(run)


@pytest.mark.parametrize("least", [-1.0, 1e300, "soon"])
def test_a_least_time_that_is_none_is_one_sentence(tmp_path, least):
    run = write_run(tmp_path / "run", [own("a")], timed={("n", "int8-fp16"): [0.1]})
    times = json.loads((run / TIMES).read_text())
    times["benchmarks"][0]["extra_info"]["roofline"] = {"bound_seconds": least}
    (run / TIMES).write_text(json.dumps(times))
    with pytest.raises(UsageError, match=r"bound_seconds"):
        run_page(run)


def test_waivers_say_what_they_cover(page):
    records = [own("a", share=2.0, outcome="waived", waiver="<known>"), own("b", waiver="old")]
    made = page(records, waivers=["<known>", "old", "idle"])
    assert made.verdict == "STALE WAIVER"
    assert [text for text in made.texts if text in ("<known>", "old", "idle")] == ["<known>", "old", "idle"]
    assert "its file is not here" in made.words


def test_the_file_of_waivers_says_why(tmp_path, parsed):
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(
        '[[waiver]]\nid = "w"\nnetwork = "n"\nnodes = ["a"]\nprecisions = ["*"]\nmodes = ["own"]\n'
        'reason = "It <sums> in half."\nevidence = "3 times its bound."\nowner = "A. Nyone"\n'
        "expires = 2027-01-31\nat_most = 4.0\n"
    )
    records = [own("a", share=3.0, outcome="waived")]
    run = write_run(tmp_path / "run", records, waivers=["w"], options={"waivers": str(waivers)})
    made = parsed(run_page(run))
    assert {"It <sums> in half.", "3 times its bound.", "A. Nyone", "2027-01-31", "4 of the bound"} <= set(
        made.texts
    )


def picture(path, size):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (size, size)).save(path, "PNG", compress_level=0)


def test_pictures_lie_in_the_page(tmp_path, parsed):
    run = write_run(tmp_path / "run", [own("a")])
    picture(run / "pictures/n.png", 16)
    picture(run / "pictures/other.png", 16)
    made = parsed(run_page(run))
    (shown,) = made.all("img")
    content = (run / "pictures/n.png").read_bytes()
    assert shown["src"] == "data:image/png;base64," + base64.b64encode(content).decode()


def test_a_picture_that_is_too_large_is_named(tmp_path, parsed):
    run = write_run(tmp_path / "run", [own("a")])
    picture(run / "pictures/n.png", 2200)
    made = parsed(run_page(run))
    assert not made.all("img")
    assert "pictures/n.png has 14.5 MB, for which this page has no room" in made.words


def test_a_huge_run_is_below_a_megabyte_and_says_what_it_leaves_out(page):
    records = []
    for network in ("one", "two", "three", "four"):
        for precision in ALL:
            for number in range(1000):
                node = f"generator/block_of_a_long_name_{number}/InstanceNorm_{number}/moments/mean"
                share = 2.0 + number if number % 3 == 0 else 0.1
                reasons = ["it deviates in a sentence that is not short at all, and says by how much"] * 6
                more = {"reasons": reasons} if share > 1 else {}
                records.append(own(node, precision=precision, share=share, network=network, **more))
    made = page(records)
    assert len(made.text.encode()) < MEGABYTE
    assert "5144 more cases than this table has room for stand in records.jsonl" in made.words
    assert "800 more nodes, all better than these, stand in records.jsonl" in made.words
    assert "block_of_a_long_name_999" in made.words


def test_series_of_equal_names_in_two_networks_have_rows_of_their_own(page):
    made = page([own("same", network="one"), own("same", network="two", share=2.0)])
    assert sum(text == "same" for text in made.texts) >= 4
