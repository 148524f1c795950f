"""A worker process against every way in which a worker can fail."""

import os
import sys
import textwrap
from pathlib import Path

import pytest

import conformance.devices.cambricon
from conformance.devices.worker_process import LOG_LIMIT, WorkerFailed, WorkerProcess
from conformance.errors import DeviceError, UsageError

WORKER = Path(conformance.devices.cambricon.__file__).parent / "worker.py"
PREAMBLE = f"""
import os, signal, socket, struct, subprocess, sys, time
sys.path.insert(0, {str(WORKER.parent)!r})
from worker import Channel
connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(sys.argv[1]))
channel = Channel(connection)
"""


@pytest.fixture
def start(tmp_path):
    """Start a worker whose body is given; all of them are dead when the test ends."""
    started = []

    def start(body):
        script = tmp_path / f"fake_{len(started)}.py"
        script.write_text(PREAMBLE + textwrap.dedent(body))
        log = tmp_path / f"{script.stem}.log"
        started.append(WorkerProcess([sys.executable, str(script)], os.environ, log, "the fake worker"))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        assert not group_lives(worker.pid)


def group_lives(group):
    """Whether any process of a group is left, zombies of other parents aside."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            return True
    return False


ECHO = """
while True:
    request = channel.receive()
    if request is None:
        break
    channel.send({"ok": True, "said": request})
    if request["command"] == "quit":
        break
"""


def test_requests_are_answered_one_by_one(start):
    worker = start(ECHO)
    for number in range(3):
        answer = worker.request({"command": "echo", "number": number}, 20)
        assert answer["said"] == {"command": "echo", "number": number}
    worker.close()


def test_a_large_message_arrives_whole(start):
    worker = start(ECHO)
    text = "é" * 500_000
    assert worker.request({"command": "echo", "text": text}, 20)["said"]["text"] == text


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("channel.receive(); os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("channel.receive(); os.abort()", "was ended by SIGABRT"),
        ("channel.receive(); os._exit(7)", "ended with exit code 7"),
        ("raise SystemExit('no such luck')", r"ended with exit code 1; last output: no such luck"),
        ("channel.receive(); connection.close(); time.sleep(60)", "closed its connection but did not end"),
        ("channel.receive(); connection.sendall(b'GARBAGE' * 9); time.sleep(60)", "garbage"),
        (
            "channel.receive(); connection.sendall(struct.pack('>I', 3) + b'{]}'); time.sleep(60)",
            "answered 'echo' with garbage",
        ),
        (
            "channel.receive(); connection.sendall(struct.pack('>I', 100) + b'{\"ok\"'); os._exit(0)",
            "ended with exit code 0",
        ),
    ],
)
def test_a_worker_that_dies_is_described_and_gone(start, body, how):
    worker = start(body)
    with pytest.raises(WorkerFailed, match=f"the fake worker .*{how}") as error:
        worker.request({"command": "echo"}, 20)
    assert str(worker.log) in str(error.value)
    assert not group_lives(worker.pid)


def test_a_hang_ends_with_its_deadline(start):
    worker = start("channel.receive(); print('so far so good', flush=True); time.sleep(600)")
    with pytest.raises(
        WorkerFailed, match=r"gave no answer to 'run' within 1 s; last output: so far so good"
    ):
        worker.request({"command": "run"}, 1)
    assert not group_lives(worker.pid)


def test_a_worker_that_dribbles_bytes_hangs_too(start):
    worker = start("""
        channel.receive()
        connection.sendall(struct.pack(">I", 1000))
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)
    """)
    with pytest.raises(WorkerFailed, match="gave no answer"):
        worker.request({"command": "run"}, 1)


def test_children_of_a_worker_do_not_outlive_it(start):
    worker = start("""
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        channel.receive()
        channel.send({"ok": True})
        os._exit(0)
    """)
    assert worker.request({"command": "echo"}, 20)["ok"]
    assert group_lives(worker.pid)
    worker.close()
    assert not group_lives(worker.pid)


def test_a_flood_of_output_neither_blocks_nor_fills_the_disk(start):
    worker = start(f"""
        channel.receive()
        for _ in range({LOG_LIMIT // 2**20 + 8}):
            os.write(1, b"x" * (2**20 - 1) + b"\\n")
        channel.send({{"ok": True}})
        channel.receive()
    """)
    assert worker.request({"command": "echo"}, 60)["ok"]
    worker.kill()
    assert worker.log.stat().st_size <= LOG_LIMIT


@pytest.mark.parametrize(
    ("kind", "error"), [("usage", UsageError), ("device", DeviceError), ("", DeviceError)]
)
def test_a_refusal_keeps_its_own_sentence_and_the_worker(start, kind, error):
    worker = start(f"""
        channel.receive()
        channel.send({{"ok": False, "kind": {kind!r}, "error": "the card is busy"}})
        channel.receive()
        channel.send({{"ok": True}})
    """)
    with pytest.raises(error, match=r"^the card is busy$") as refused:
        worker.request({"command": "run"}, 20)
    assert not isinstance(refused.value, WorkerFailed)
    assert worker.request({"command": "run"}, 20)["ok"]


def test_an_interpreter_that_does_not_exist(tmp_path):
    with pytest.raises(DeviceError, match="the worker cannot be started: /no/such/python: No such file"):
        WorkerProcess(["/no/such/python", str(WORKER)], {}, tmp_path / "log", "the worker")
