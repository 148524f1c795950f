"""Runs graphs under the vendor's interpreter: CPython 3.5 to 3.7, NumPy, TensorFlow 1.x, and nothing of ours.

Started as ``python worker.py FD [DIRECTORY]`` with one end of a Unix socket pair as file descriptor FD. A
message is four bytes of length (big endian) and that many bytes of JSON; every request gets one answer.
Tensors do not pass through the socket: they lie in memory-mapped files, 64-byte aligned, and messages say
where. A worker ends when the other end of the socket is closed; a second later its process group is killed,
and DIRECTORY, which holds what it shares with the process that started it, is deleted.

Requests, each with "command":

hello   protocol, allow_stock          -> protocol, pid, python, numpy, tensorflow, stock
open    session, graph, constants, feeds, fetches, core_num, core_version, optype_black_list, and
        perhaps offline (directory, name)  -> seconds
run     session, feeds, arena, results -> seconds, results
close   session                        -> nothing
quit                                   -> nothing, and the worker ends

An answer has "ok"; if it is false, "error" is a sentence and "kind" is usage, unsupported, space or device.
The environment variables that the vendor's framework reads are set by whoever starts the worker, before
TensorFlow is imported: one worker serves one precision.

Never run on a card: the ``mlu_options`` are set as public examples set them. Exercised with stock TensorFlow.
"""

import errno
import json
import mmap
import os
import select
import shutil
import signal
import socket
import struct
import sys
import time
import traceback

PROTOCOL = 2
ALIGNMENT = 64
OLDEST_PYTHON, NEWEST_PYTHON = (3, 5), (3, 7)
LARGEST_MESSAGE = 64 * 1024 * 1024
APART = "_apart"  # marks constants that are not in the graph's file
LAST_SECONDS = 1.0


class Refused(Exception):
    """A request that cannot be served, with the sentence for the user."""

    def __init__(self, kind, sentence):
        Exception.__init__(self, sentence)
        self.kind = kind


class Channel:
    """Length-prefixed JSON over a socket."""

    def __init__(self, connection):
        self._connection = connection

    def receive(self):
        """Return the next message, or None when the other side is gone."""
        prefix = self._read(4)
        if prefix is None:
            return None
        size = struct.unpack(">I", prefix)[0]
        if size > LARGEST_MESSAGE:
            raise Refused("device", "a message of {} bytes is too long".format(size))
        body = self._read(size)
        return None if body is None else json.loads(body.decode("utf-8"))

    def send(self, message):
        """Send one message, or the refusal to, if it is one that JSON cannot hold."""
        try:
            body = json.dumps(message, allow_nan=False).encode("utf-8")
        except (TypeError, ValueError) as error:
            sentence = "the answer cannot be sent: {}".format(first_line(error))
            body = json.dumps(refusal("device", sentence)).encode("utf-8")
        self._connection.sendall(struct.pack(">I", len(body)) + body)

    def _read(self, size):
        parts = []
        while size:
            part = self._connection.recv(min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class Session:
    """A graph loaded into a TensorFlow session.

    Args:
        tf: TensorFlow 1.x.
        config: its session's configuration.
        request: names the graph, what is fed, and what is fetched.
    """

    def __init__(self, tf, config, request):
        graph_def = tf.compat.v1.GraphDef()
        with open(request["graph"], "rb") as file:
            graph_def.ParseFromString(file.read())
        fill_constants(graph_def, request.get("constants", {}))
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
        feeds = [graph.get_tensor_by_name(full(name)) for name in request["feeds"]]
        fetches = [graph.get_tensor_by_name(full(name)) for name in request["fetches"]]
        self._feeds, self._fetches = request["feeds"], request["fetches"]
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        self._call = self._session.make_callable(fetches, feed_list=feeds)

    def run(self, feeds):
        """Return the results by name, and the seconds of the session's run alone: feeds are placed before."""
        arguments = [feeds[name] for name in self._feeds]
        started = time.perf_counter()
        results = self._call(*arguments)
        seconds = time.perf_counter() - started
        return dict(zip(self._fetches, results)), seconds

    def facts(self):
        """Return what the answers to open, run and close say besides: nothing."""
        return {}

    def close(self):
        """Close the session; the vendor's framework writes its calibration then, and only then."""
        self._session.close()


class Worker:
    """Serves one connection until it ends."""

    def __init__(self, channel):
        self._channel = channel
        self._sessions = {}
        self._arenas = {}
        self._tensorflow = None
        self._commands = {
            "hello": self.hello,
            "open": self.open,
            "run": self.run,
            "close": self.close,
        }

    def serve(self):
        """Answer requests until quit or the end of the connection; return whether it was quit."""
        while True:
            request = self._channel.receive()
            if request is None:
                return False
            if request.get("command") == "quit":
                for session in self._sessions.values():
                    session.close()
                self._channel.send({"ok": True})
                return True
            self._channel.send(self._answer(request))

    def _answer(self, request):
        command = self._commands.get(request.get("command"))
        if command is None:
            return refusal("usage", "the worker knows no command {!r}".format(request.get("command")))
        try:
            answer = command(request)
        except Refused as error:
            return refusal(error.kind, str(error))
        except Exception as error:  # whatever the framework raises is an answer, not the end of the worker
            traceback.print_exc()
            return refusal("device", "{}: {}".format(type(error).__name__, first_line(error)))
        answer["ok"] = True
        return answer

    def hello(self, request):
        """Check interpreter and framework, and say what they are."""
        if request.get("protocol") != PROTOCOL:
            sentence = "the worker speaks protocol {}, the driver {}; install both from one version"
            raise Refused("usage", sentence.format(PROTOCOL, request.get("protocol")))
        check_python(sys.version_info)
        tf = import_tensorflow()
        stock = not hasattr(tf.compat.v1.ConfigProto(), "mlu_options")
        if stock and not request.get("allow_stock"):
            sentence = (
                "TensorFlow {} of {} has no mlu_options, so it is not Cambricon's; give its interpreter with "
                "--device-option python=PATH, or --device-option allow-stock=1 to exercise the driver"
            )
            raise Refused("usage", sentence.format(tf.__version__, sys.executable))
        import numpy

        self._tensorflow = tf
        return {
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "python": "{}.{}.{}".format(*sys.version_info[:3]),
            "numpy": numpy.__version__,
            "tensorflow": tf.__version__,
            "stock": stock,
        }

    def open(self, request):
        """Load a graph and make a session that fetches what is asked for."""
        started = time.perf_counter()
        session = self.opened(request)
        self._sessions[request["session"]] = session
        return dict(session.facts(), seconds=time.perf_counter() - started)

    def opened(self, request):
        """Return the session that a request asks for."""
        tf = self._framework()
        return Session(tf, self._config(request), request)

    def _config(self, request):
        """Return the session's configuration; mlu_options only where the framework has them."""
        config = self._framework().compat.v1.ConfigProto(allow_soft_placement=True)
        if hasattr(config, "mlu_options"):
            config.mlu_options.core_num = int(request["core_num"])
            config.mlu_options.core_version = request["core_version"]
            if request.get("optype_black_list"):
                set_or_extend(config.mlu_options, "optype_black_list", request["optype_black_list"])
            if request.get("offline"):
                os.chdir(request["offline"]["directory"])  # public examples give a name without directory
                config.mlu_options.save_offline_model = True
                config.mlu_options.offline_model_name = request["offline"]["name"]
        return config

    def run(self, request):
        """Run a session once and say where its results lie."""
        if request["session"] not in self._sessions:
            raise Refused("usage", "session {!r} is not open".format(request["session"]))
        session = self._sessions[request["session"]]
        feeds = {entry["name"]: self._placed(request["arena"], entry) for entry in request["feeds"]}
        results, seconds = session.run(feeds)
        stored = self._stored(request["results"], results)
        return dict(session.facts(), seconds=seconds, results=stored)

    def _placed(self, path, entry):
        """Return a feed where it lies in the arena, without a copy."""
        import numpy

        count = 1
        for size in entry["shape"]:
            count *= size
        flat = numpy.frombuffer(self._mapped(path, None), entry["dtype"], count, entry["offset"])
        return flat.reshape(entry["shape"])

    def _stored(self, path, results):
        """Copy results into the arena and return where each lies."""
        import numpy

        names, arrays = list(results), [numpy.ascontiguousarray(value) for value in results.values()]
        offsets, total = [], 0
        for array in arrays:
            offsets.append(total)
            total += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        arena = self._mapped(path, max(total, 1))
        entries = []
        for name, array, offset in zip(names, arrays, offsets):
            flat = numpy.frombuffer(arena, array.dtype, array.size, offset)
            flat[:] = array.reshape(-1)
            shape = list(numpy.shape(results[name]))
            entries.append({"name": name, "dtype": array.dtype.str, "shape": shape, "offset": offset})
        return entries

    def _mapped(self, path, size):
        """Return the map of a file, grown to ``size`` bytes if it is shorter; None takes it as it is."""
        now = os.path.getsize(path)
        if size is not None and now < size:
            with open(path, "r+b") as file:
                _allocate(file.fileno(), size, os.path.dirname(path))
            now = size
        known = self._arenas.get(path)
        if known is None or len(known) != now:
            with open(path, "r+b") as file:
                known = mmap.mmap(file.fileno(), now)
            self._arenas[path] = known
        return known

    def close(self, request):
        """Close a session, which may have something to say of that, too."""
        session = self._sessions.pop(request["session"], None)
        if session is None:
            return {}
        session.close()
        return dict(session.facts())

    def _framework(self):
        if self._tensorflow is None:
            raise Refused("usage", "say hello first")
        return self._tensorflow


def _allocate(descriptor, size, directory):
    """Give a file its size: an error now, not a SIGBUS when it is written."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sentence = "{} bytes of results cannot be shared in {}: {}; free some, or set TMPDIR to another place"
        raise Refused("space", sentence.format(size, directory, error.strerror))


def fill_constants(graph_def, paths):
    """Put the bytes of large constants, each in a file of its own, into their nodes."""
    for node in graph_def.node:
        if node.name in paths:
            with open(paths[node.name], "rb") as file:
                node.attr["value"].tensor.tensor_content = file.read()
            del node.attr[APART]


def check_python(version):
    """Refuse an interpreter that Cambricon's TensorFlow 1.x cannot run under."""
    if not OLDEST_PYTHON <= tuple(version[:2]) <= NEWEST_PYTHON:
        sentence = "{} is Python {}.{}, but TensorFlow 1.x needs 3.5 to 3.7; give --device-option python=PATH"
        raise Refused("usage", sentence.format(sys.executable, version[0], version[1]))


def import_tensorflow():
    """Return TensorFlow 1.x, or refuse with the reason."""
    try:
        import tensorflow
    except Exception as error:  # a broken installation raises anything
        sentence = "{} cannot import TensorFlow: {}; give --device-option python=PATH"
        raise Refused("usage", sentence.format(sys.executable, first_line(error)))
    if not tensorflow.__version__.startswith("1."):
        sentence = "{} has TensorFlow {}, but 1.x is needed; give --device-option python=PATH"
        raise Refused("usage", sentence.format(sys.executable, tensorflow.__version__))
    return tensorflow


def set_or_extend(message, field, text):
    """Set a text field, or fill a repeated one from the comma-separated text: which it is was not found."""
    try:
        setattr(message, field, text)
    except AttributeError:  # protobuf's way to say that it is repeated
        getattr(message, field).extend(text.split(","))


def refusal(kind, sentence):
    """Return the answer to a request that failed."""
    return {"ok": False, "kind": kind, "error": sentence}


def full(name):
    """Return the tensor name of a node's first output."""
    return name if ":" in name else name + ":0"


def first_line(error):
    """Return the first line of an error that says something: TensorFlow may put a count of errors before."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith("root error(s) found."):
        return lines[1]
    return lines[0] if lines else type(error).__name__


def guard(connection, directories):
    """Fork a process that ends this group once the other end of the connection is gone; return its id.

    A process, because a thread would wait for a framework that hangs with Python's lock in its hands. The
    kernel reports the end of a connection even if no event is asked for.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        poller = select.poll()
        poller.register(connection, 0)
        poller.poll()
        time.sleep(LAST_SECONDS)  # a worker that is well ends by itself
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)


def main(arguments, worker=Worker):
    """Serve the socket whose descriptor is the first argument."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(arguments[1]))
    connection.set_inheritable(False)
    guardian = guard(connection, arguments[2:])
    if worker(Channel(connection)).serve():
        os.kill(guardian, signal.SIGKILL)
        os.waitpid(guardian, 0)
    return 0


if __name__ == "__main__":
    del sys.path[0]  # this directory, whose modules are none of TensorFlow's
    sys.exit(main(sys.argv))
