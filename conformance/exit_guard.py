"""An exit in the middle of work is no result: the process ends with status 3, whatever exit was told.

A device, or an operator of a graph, runs inside of this process and may end it: with ``exit(0)`` of the C
library, which Python never hears of, or with ``os._exit(0)``. Handlers of the C library's exit run last in,
first out, so the one registered last decides: while a guard is armed it is ``_exit(3)``, after that
``_exit(status)``. What a library does by the system call itself only a process of its own keeps off.
"""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any, NoReturn

from conformance.errors import EXIT_INFRASTRUCTURE

FULLY_BUFFERED = 0
"""The C library's ``_IOFBF``."""
BUFFER = 4096
"""Bytes that a sentence may have."""
SENTENCE = (
    "mlu-conformance: the process was ended from inside in the middle of its work, so there is no result; a "
    "device (--isolate keeps it in a process of its own) or a node of the graph, such as Abort, called exit\n"
)

_exit_now = os._exit


class ExitGuard:
    """Armed when it is made, until :meth:`disarm`; nothing it does needs Python when the time has come."""

    def __init__(self) -> None:
        self._owner, self._before = os.getpid(), os._exit
        os._exit = self._refuse
        self._said = None
        if _has_handlers():
            _register("__cxa_atexit", "_exit", EXIT_INFRASTRUCTURE)
            self._said = _prepared_sentence()
            if self._said is not None:
                _register("__cxa_atexit", "fflush", self._said)

    def disarm(self) -> None:
        """Let the process end with the status that it is given; safe to call twice."""
        if os._exit == self._refuse:
            os._exit = self._before
        if self._said is not None:
            _library()["__fpurge"](ctypes.c_void_p(self._said))
            _library().fclose(ctypes.c_void_p(self._said))
            self._said = None
        if _has_handlers():
            _register("on_exit", "_exit", 0)
            _register("__cxa_atexit", "fflush", 0)  # all streams

    def _refuse(self, status: int) -> NoReturn:
        """Stand in for ``os._exit``, which children of this process may call."""
        if os.getpid() == self._owner:
            if self._said is not None:
                _library().fflush(ctypes.c_void_p(self._said))
            status = EXIT_INFRASTRUCTURE
        _exit_now(status)


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _has_handlers() -> bool:
    """Whether the C library is glibc, which TensorFlow needs, too."""
    return all(hasattr(_library(), name) for name in ("__cxa_atexit", "on_exit", "__fpurge"))


def _register(how: str, function: str, argument: int) -> None:
    """Have a function of the C library called with an argument when the process exits.

    Source: "Linux Standard Base Core Specification", ``__cxa_atexit``; on_exit(3), which hands the status
    to the function first.
    """
    address = ctypes.cast(_library()[function], ctypes.c_void_p)
    _library()[how](address, ctypes.c_void_p(argument), None)


def _prepared_sentence() -> Any:
    """Return a stream of the C library to the error output that holds the sentence back; None without one."""
    library = _library()
    library.fdopen.restype = ctypes.c_void_p
    try:
        stream = library.fdopen(os.dup(2), b"w")
    except OSError:
        return None
    library.setvbuf(ctypes.c_void_p(stream), None, FULLY_BUFFERED, ctypes.c_size_t(BUFFER))
    library.fputs(SENTENCE.encode(), ctypes.c_void_p(stream))
    return stream
