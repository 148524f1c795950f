"""A device during whose run someone presses Ctrl-C: it breaks no clause of the contract, but ends all."""

import functools

from suite.faulty_devices import FaultyDevice


def _interrupt(_):
    raise KeyboardInterrupt


interrupted_at_int16 = functools.partial(FaultyDevice, _interrupt, at="int16")
