"""A vendor's interpreter and worker that misbehave as they are told, without TensorFlow and without a card.

:func:`fake_vendor` writes an executable that stands for the vendor's Python. It runs this file with what the
driver wants to run: the real worker file, whose class is subclassed here. Results come from a table: goldens.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import functools
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the driver keeps our own paths from it
from conformance.devices.cambricon import worker

FLOOD = 64
"""MiB."""
LAST_WORDS = "CNRT: device memory is gone"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What a worker does, where, and when.

    Attributes:
        kind: a function of :data:`KINDS`, or of :data:`TWISTS` that changes an answer.
        at: the request over which it happens.
        node: only when this node is in the graph.
        least: only with so many fetches.
        sample: only when fed with this sample.
        times: only so often, counted over all workers of the test.
        after: only from the n-th occasion on, counted in the same way.
    """

    kind: str
    at: str = "run"
    node: str | None = None
    least: int = 1
    sample: int | None = None
    times: int | None = None
    after: int = 0


def fake_vendor(directory, *faults, table=None, greeting=None, offline=None):
    """Return the path of an interpreter whose worker has these faults.

    Args:
        directory: where it is written.
        faults: what it does wrong.
        table: arrays by ``SAMPLE|NODE``; what is fed tells the sample.
        greeting: what it says of itself besides.
        offline: texts of the files that it saves of an offline model, by suffix; ``{name}`` is its name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    np.savez(directory / "table.npz", **(table or {}))
    script = {
        "faults": [dataclasses.asdict(fault) for fault in faults],
        "table": str(directory / "table.npz"),
        "counts": str(directory),
        "greeting": greeting or {},
        "offline": offline or {},
    }
    (directory / "script.json").write_text(json.dumps(script))
    python = directory / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{__file__}' '{directory}/script.json' \"$@\"\n")
    python.chmod(0o755)
    return python


def started_groups(directory):
    """Return the process groups of all workers that were started, each its worker's own."""
    path = directory / "groups"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def die(number):
    def fault(_):
        os.kill(os.getpid(), number)
        time.sleep(60)

    return fault


def say(text):
    os.write(1, f"{text}\n".encode())


def hang(_):
    time.sleep(600)


def hang_with_pythons_lock(_):
    ctypes.PyDLL(None).sleep(600)


def flood(_):
    for _ in range(FLOOD):
        os.write(1, b"x" * 999_999 + b"\n")
    say(LAST_WORDS)


def flood_and_die(fake):
    flood(fake)
    os.abort()


def leave_a_child(_):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
    os._exit(9)


def refuse(_):
    raise worker.Refused("device", "InvalidArgumentError: no kernel for this")


def send(content):
    def fault(fake):
        fake.connection.sendall(content)
        time.sleep(60)

    return fault


def send_half(fake):
    fake.connection.sendall(struct.pack(">I", 100) + b'{"ok"')
    os._exit(0)


KINDS = {
    "segv": die(signal.SIGSEGV),
    "kill": die(signal.SIGKILL),
    "real-time-signal": die(signal.SIGRTMIN + 5),
    "abort": lambda _: os.abort(),
    "exit": lambda _: os._exit(0),
    "hang": hang,
    "hang-with-lock": hang_with_pythons_lock,
    "flood": flood,
    "flood-and-die": flood_and_die,
    "child": leave_a_child,
    "refuse": refuse,
    "garbage": send(b"GARBAGE" * 9),
    "no-json": send(struct.pack(">I", 3) + b"{]}"),
    "huge": send(struct.pack(">I", 2**31)),
    "half": send_half,
}


def without(key):
    return lambda answer: {name: value for name, value in answer.items() if name != key}


def result(**changes):
    return lambda answer: answer | {"results": [answer["results"][0] | changes, *answer["results"][1:]]}


TWISTS = {
    "as-greeted": lambda answer: {key: answer[key] for key in ("ok", "kind", "error")},
    "not-ok": without("ok"),
    "no-results": without("results"),
    "no-seconds": without("seconds"),
    "results-in-words": lambda answer: answer | {"results": "all of them"},
    "results-of-words": lambda answer: answer | {"results": ["one"]},
    "negative-seconds": lambda answer: answer | {"seconds": -1},
    "infinite-seconds": lambda answer: answer | {"seconds": 1e300},
    "notes-in-words": lambda answer: answer | {"notes": "fine"},
    "offset": result(offset=2**40),
    "negative-offset": result(offset=-64),
    "huge-shape": result(shape=[2**62, 2**62]),
    "negative-shape": result(shape=[-1]),
    "objects": result(dtype="|O"),
    "fields": result(dtype="(2,3)f4,i4"),
    "nothing": result(dtype="<U0"),
    "nameless": result(name=None),
}


class Script:
    """What was written by :func:`fake_vendor`, for the worker that it is about."""

    def __init__(self, path):
        self._said = json.loads(path.read_text())
        self.directory, self.greeting = Path(self._said["counts"]), self._said["greeting"]
        self.offline = self._said["offline"]
        with np.load(self._said["table"]) as table:
            self.values = dict(table)
        self._samples = {_digest(value): int(name.partition("|")[0]) for name, value in self.values.items()}

    def sample(self, feeds):
        """Return which sample is fed, or None."""
        counts = collections.Counter(self._sample_of(value) for value in feeds.values())
        counts.pop(None, None)
        return counts.most_common(1)[0][0] if counts else None

    def _sample_of(self, value):
        """Return whose input or golden this is; inputs of timed runs are a little larger than those."""
        known = self._samples.get(_digest(value))
        if known is not None:
            return known
        near = (
            int(name.partition("|")[0])
            for name, other in self.values.items()
            if other.shape == value.shape and np.allclose(other, value, rtol=1e-4, atol=0)
        )
        return next(near, None)

    def striking(self, kinds, at, session=None, sample=None):
        """Yield the kinds of the faults that strike now."""
        for index, fault in enumerate(self._said["faults"]):
            if fault["kind"] in kinds and fault["at"] == at and _is_meant(fault, session, sample):
                count, after = self._occasions(index), fault["after"]
                if count > after and (fault["times"] is None or count <= fault["times"] + after):
                    yield fault["kind"]

    def _occasions(self, index):
        """Count the occasions of a fault over all workers, this one included."""
        with (self.directory / f"count-{index}").open("ab") as file:
            file.write(b".")
            return file.tell()


def _is_meant(fault, session, sample):
    node, fetches = fault["node"], len(session.fetches) if session else fault["least"]
    in_graph = node is None or (session is not None and session.contains(node))
    return in_graph and fetches >= fault["least"] and fault["sample"] in (None, sample)


def _digest(value):
    return hashlib.sha256(value.tobytes()).hexdigest()


class FakeSession:
    """Hands out what the table holds; adds the two numbers of a probe."""

    def __init__(self, script, request):
        self._script, self._graph = script, Path(request["graph"]).read_bytes()
        self.fetches, self._offline = request["fetches"], request.get("offline")

    def contains(self, node):
        """Whether the graph has a node of this name: field 1 of a NodeDef, which field 2 follows."""
        return b"\x0a" + bytes([len(node)]) + node.encode() + b"\x12" in self._graph

    def run(self, feeds):
        if "probe" in feeds:
            return {"sum": feeds["probe"] + np.float32(1.5)}, 1e-3
        sample = self._script.sample(feeds)
        return {node: self._script.values[f"{sample}|{node}"] for node in self.fetches}, 1e-3

    def facts(self):
        return {}

    def close(self):
        for suffix, text in self._script.offline.items() if self._offline else ():
            path = Path(self._offline["directory"], self._offline["name"] + suffix)
            path.write_text(text.replace("{name}", self._offline["name"]))


class FakeWorker(worker.Worker):
    """The real worker with another framework, and with faults."""

    def __init__(self, script, channel):
        super().__init__(channel)
        self._script, self.connection = script, channel._connection
        with (script.directory / "groups").open("a") as file:
            file.write(f"{os.getpgrp()}\n")

    def _strike(self, at, session=None, sample=None):
        for kind in self._script.striking(KINDS, at, session, sample):
            say(LAST_WORDS)
            KINDS[kind](self)

    def _answer(self, request):
        answer, session = super()._answer(request), self._sessions.get(request.get("session"))
        for kind in self._script.striking(TWISTS, request["command"], session) if answer["ok"] else ():
            answer = TWISTS[kind](answer | self._script.greeting if kind == "as-greeted" else answer)
        return answer

    def hello(self, _):
        (self._script.directory / "environment.json").write_text(json.dumps(dict(os.environ)))
        self._strike("hello")
        said = {"protocol": worker.PROTOCOL, "pid": os.getpid(), "python": "3.7.9", "numpy": "1.18.5"}
        return {**said, "tensorflow": "1.15.0", "stock": True, **self._script.greeting}

    def opened(self, request):
        session = FakeSession(self._script, request)
        self._strike("open", session)
        return session

    def run(self, request):
        session = self._sessions[request["session"]]
        feeds = {entry["name"]: self._placed(request["arena"], entry) for entry in request["feeds"]}
        self._strike("run", session, self._script.sample(feeds))
        return super().run(request)

    def _stored(self, path, results):
        session = next(s for s in self._sessions.values() if set(s.fetches) == set(results))
        for _ in self._script.striking(["tear"], "run", session):
            half = list(results.items())[: len(results) // 2]
            super()._stored(path, {name: np.zeros_like(value) for name, value in half})
            os._exit(0)
        return super()._stored(path, results)

    def close(self, request):
        self._strike("close", self._sessions.get(request["session"]))
        return super().close(request)


def main(arguments):
    """Run as the vendor's interpreter would: ``SCRIPT worker.py FD [DIRECTORY]``."""
    script, path, *rest = arguments
    assert Path(path).samefile(worker.__file__), "the driver runs the real worker"
    (Path(script).parent / "shared").write_text(rest[1])
    return worker.main([path, *rest], functools.partial(FakeWorker, Script(Path(script))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
