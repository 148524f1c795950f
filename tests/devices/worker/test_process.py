"""A worker process against every way in which a worker can fail."""

import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from support.processes import group_lives, interrupted, wait_until

import conformance.devices.cambricon
from conformance.devices.worker.process import LOG_LIMIT, WorkerFailed, WorkerProcess
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
        assert not group_lives(worker._process.pid)


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
        ("channel.receive(); os._exit(139)", "ended with exit code 139, with which a shell means SIGSEGV;"),
        ("channel.receive(); os.kill(os.getpid(), signal.SIGRTMIN + 5)", "was ended by signal 39"),
        ("os.close(connection.fileno()); os._exit(0)", "ended with exit code 0"),
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
    assert not group_lives(worker._process.pid)


HANGS = {
    "asleep": "time.sleep(600)",
    "with Python's lock": "import ctypes; ctypes.PyDLL(None).sleep(600)",
    "deaf": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 15)]; time.sleep(600)",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "flooding": "while True: os.write(1, b'x' * 9999 + b'\\n')",
    "with a child": "subprocess.run(['sleep', '600'])",
    "with a child elsewhere": "subprocess.run(['sleep', '4'], start_new_session=True); time.sleep(600)",
    "dribbling": "connection.sendall(struct.pack('>I', 10**6))\nwhile True: connection.sendall(b' ')",
}


@pytest.mark.parametrize("how", HANGS)
def test_a_hang_costs_its_deadline_and_two_seconds_at_most(start, how):
    worker = start(f"channel.receive(); print('so far so good', flush=True)\n{HANGS[how]}")
    started = time.monotonic()
    with pytest.raises(WorkerFailed, match=r"gave no answer to 'run' within 1 s; last output: "):
        worker.request({"command": "run"}, 1)
    assert time.monotonic() - started <= 1 + 2
    assert not group_lives(worker._process.pid)


def test_a_hang_says_what_was_printed_last(start):
    worker = start("print('so far so good', flush=True); time.sleep(600)")
    wait_until(lambda: worker.log.stat().st_size)
    with pytest.raises(WorkerFailed, match=r"within 0\.2 s; last output: so far so good \(log: .*\)$"):
        worker.request({"command": "run"}, 0.2)


def test_what_was_not_flushed_is_not_lost(start, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    worker = start("channel.receive(); print('no newline was', end=' '); print('flushed'); os.abort()")
    with pytest.raises(WorkerFailed, match="was ended by SIGABRT; last output: no newline was flushed"):
        worker.request({"command": "run"}, 20)


def test_a_crash_is_noticed_while_a_child_holds_the_socket_open(start):
    worker = start("""
        subprocess.Popen(["sleep", "600"], close_fds=False)
        channel.receive()
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    started = time.monotonic()
    with pytest.raises(WorkerFailed, match="was ended by SIGSEGV"):
        worker.request({"command": "run"}, 120)
    assert time.monotonic() - started < 60  # and not at the deadline


def test_an_interrupted_request_ends_the_worker_at_once(start):
    worker = start("channel.receive(); time.sleep(600)")
    with pytest.raises(KeyboardInterrupt), interrupted(0.5):
        worker.request({"command": "run"}, 300)
    assert not group_lives(worker._process.pid)
    with pytest.raises(WorkerFailed, match="was ended by SIGKILL"):
        worker.request({"command": "close"}, 300)


def test_a_dead_workers_number_is_never_signalled_again(start, monkeypatch):
    worker = start("channel.receive(); os._exit(0)")
    with pytest.raises(WorkerFailed):
        worker.request({"command": "run"}, 20)
    signalled = []
    monkeypatch.setattr(os, "killpg", lambda *arguments: signalled.append(arguments))
    worker.kill()
    worker.close()
    assert signalled == []


def test_a_worker_that_cannot_be_killed_is_left_behind_and_said_to_be(start, monkeypatch):
    worker = start("channel.receive(); time.sleep(600)")
    real = os.killpg
    monkeypatch.setattr(os, "killpg", lambda group, _: real(group, 0))
    started = time.monotonic()
    with pytest.raises(WorkerFailed, match="gave no answer to 'run' within 1 s and cannot be killed"):
        worker.request({"command": "run"}, 1)
    assert time.monotonic() - started <= 1 + 2
    real(worker._process.pid, signal.SIGKILL)
    worker._process.wait()


def test_a_worker_that_is_closed_may_finish_what_it_does(start, tmp_path):
    worker = start(f"""
        while channel.receive()["command"] != "quit":
            pass
        channel.send({{"ok": True}})
        time.sleep(0.3)
        open({str(tmp_path / "done")!r}, "w").close()
    """)
    worker.close(60)
    assert (tmp_path / "done").exists()


def test_failed_workers_leave_no_descriptor_and_no_thread(start):
    def counts():
        return len(list(Path("/proc/self/fd").iterdir())) + threading.active_count()

    before = counts()
    for body in ("os.abort()", "channel.receive(); time.sleep(600)", "channel.receive(); os._exit(1)"):
        with pytest.raises(WorkerFailed):
            start(body).request({"command": "run"}, 0.5)
    with pytest.raises(DeviceError):
        WorkerProcess(["/no/such/python"], {}, None, "the worker")
    assert counts() <= before  # one that has left its group in another test may end meanwhile


def test_children_of_a_worker_do_not_outlive_it(start):
    worker = start("""
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        channel.receive()
        channel.send({"ok": True})
        os._exit(0)
    """)
    assert worker.request({"command": "echo"}, 20)["ok"]
    assert group_lives(worker._process.pid)
    worker.close()
    assert not group_lives(worker._process.pid)


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
    assert worker.log.stat().st_size <= LOG_LIMIT + 1000


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
