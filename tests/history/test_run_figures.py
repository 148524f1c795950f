"""What of a run goes into a history, and which runs do not."""

import datetime as dt
import json

import msgspec
import pytest
from support.histories import DEVICE, JUDGED, START, records, write_run
from support.records import record
from support.refusals import refused

from conformance.history.run_figures import SeriesKey, read_figures
from conformance.judging.verdicts import Reached
from conformance.runs.environment import UsedDevice

CARD = "cambricon MLU270 0123"


def figures(path):
    return {(key.card, key.figure): value for key, value in read_figures(path).values.items()}


def test_all_figures_of_a_run(tmp_path):
    found = read_figures(write_run(tmp_path / "run", 3, 0.02))
    assert found.started == START + dt.timedelta(days=3)
    key = SeriesKey("n", "int8-fp16", CARD, "seconds")
    assert found.values[key] == 0.02
    assert {key.figure: value for key, value in found.values.items()} == {
        "seconds": 0.02,
        "share": 0.5,
        "psnr": 40.0,
        "cosine_distance": pytest.approx(1e-4),
        "failing": 0.0,
    }


def test_the_worst_counts(tmp_path):
    two = [msgspec.structs.replace(item, case=f"{item.case}2") for item in records(share=0.9, psnr=30.0)]
    found = figures(write_run(tmp_path / "run", 0, found=[*records(), *two]))
    assert (found[CARD, "share"], found[CARD, "psnr"]) == (0.9, 30.0)


def test_what_has_no_number_or_is_exact_has_a_value_all_the_same(tmp_path):
    own, fused = records(outcome="broken")
    own = msgspec.structs.replace(own, needed=None)
    fused = msgspec.structs.replace(fused, reached=Reached(cosine=1.0, psnr=None, answers=0.75))
    found = figures(write_run(tmp_path / "run", 0, found=[own, fused]))
    assert {name: value for (_, name), value in found.items() if name != "seconds"} == {
        "share": 1e9,
        "psnr": 400.0,
        "cosine_distance": 0.0,
        "answers": 0.75,
        "failing": 1.0,
    }


def test_waived_cases_fail_all_the_same(tmp_path):
    found = figures(write_run(tmp_path / "run", 0, found=records(outcome="waived")))
    assert found[CARD, "failing"] == 1.0


def test_each_card_of_a_run_has_its_own_series(tmp_path):
    other = DEVICE | {"serial": "0124"}
    devices = [
        UsedDevice(process="gw0", device=DEVICE, judged=JUDGED[:1]),
        UsedDevice(process="gw1", device=other, judged=JUDGED[1:]),
    ]
    found = figures(write_run(tmp_path / "run", 0, devices=devices))
    assert found[CARD, "share"] == 0.5
    assert found["cambricon MLU270 0124", "psnr"] == 40.0


def test_cards_that_share_the_work_are_a_series_together(tmp_path):
    devices = [
        UsedDevice(process=f"gw{number}", device=DEVICE | {"serial": f"012{number}"}, judged=JUDGED)
        for number in (3, 4)
    ]
    assert figures(write_run(tmp_path / "run", 0, devices=devices))[
        "cambricon MLU270 0123+cambricon MLU270 0124", "share"
    ]


def test_a_device_without_serial_number_is_its_computer(tmp_path):
    device = {"kind": "emulator", "serial": "", "profile": "mlu270"}
    found = figures(write_run(tmp_path / "run", 0, device=device))
    assert ("emulator MLU270 mlu270 on a processor x 8", "seconds") in found


def test_the_environment_leaves_out_what_every_run_has_for_itself(tmp_path):
    environments = [read_figures(write_run(tmp_path / str(day), day)).environment for day in (0, 1)]
    assert environments[0] == environments[1]
    assert environments[0]["device.driver"] == "4.20.6"
    assert environments[0]["networks.n.graph_sha256"] == "a" * 64
    assert not [
        name for name in environments[0] if name.startswith(("started", "seconds", "ended", "options.run"))
    ]


def edit(path, name, change):
    content = json.loads((path / name).read_text())
    change(content)
    (path / name).write_text(json.dumps(content))


def test_a_run_that_was_cut_short(tmp_path):
    path = write_run(tmp_path / "run", 0)
    edit(path, "environment.json", lambda content: content.pop("ended"))
    with refused("was cut short or still runs"):
        read_figures(path)


def test_a_run_that_was_edited(tmp_path):
    path = write_run(tmp_path / "run", 0)
    with (path / "records.jsonl").open("a") as file:
        file.write("\n")
    with refused("records.jsonl is not as the run left it"):
        read_figures(path)


def test_a_time_that_is_none(tmp_path):
    for number, seconds in enumerate((float("nan"), 0.0, -1.0)):
        with refused("which is no time|is malformed"):
            read_figures(write_run(tmp_path / str(number), 0, seconds))


def test_a_run_without_records(tmp_path):
    with refused("judged nothing"):
        read_figures(write_run(tmp_path / "run", 0, found=[]))


def test_a_run_of_another_version_of_the_suite(tmp_path):
    path = write_run(tmp_path / "run", 0)
    edit(path, "environment.json", lambda content: content.update(news=1))
    with refused("environment .* is malformed: .*unknown field `news`"):
        read_figures(path)


def test_records_without_bounds_have_no_share(tmp_path):
    found = figures(write_run(tmp_path / "run", 0, found=[record(outcome="unsupported")]))
    assert {name for _, name in found} == {"failing", "seconds"}
