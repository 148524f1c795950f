"""The twins file of an offline model: what the vendor's framework says, as text, of the binary beside it.

::

    This is the Twins File of "yolov3_int8_4_4.cambricon".
    Function number: 1
    ---------------kernel graph--------------------

    Function #0 {
    Kernel num:1
    Name: subnet0
    Input number: 1
        Input #0.
            Shape(dim): 4 512 512 3
            Data type: CNRT_FLOAT32        Dim Order: CNRT_NHWC
    Output number: 1
        Output #0.
            Shape(dim): 4 1 1 107584
            Data type: CNRT_FLOAT16        Dim Order: CNRT_NHWC
    Kernel header #0:
        Model Parallelism: 4
        Core limit: 4
    }

Lines that are not shown (masks, ids, quantisation, names of tensors, which are empty) say nothing that is
held against a network.

Source: twelve such files of liushuan/MLU270-220 @ 2e20931, written by the vendor's PyTorch and Caffe; those
of its TensorFlow come from the same library.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, NoReturn

from conformance.errors import InfrastructureError
from conformance.files import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

TITLE = re.compile(r'This is the Twins File of "(.*)"\.')
FUNCTION = re.compile(r"(Function #\d+) \{")
TENSOR = re.compile(r"((?:Input|Output) #\d+)\.")
SHAPE = re.compile(r"Shape\(dim\):((?: \d+)*)")
TYPE = re.compile(r"Data type: (\w+) +Dim Order: (\w+)")
NUMBER = re.compile(r"(Function number|Input number|Output number|Model Parallelism|Core limit): ?(\d+)")
NAME = re.compile(r"Name: ?(.*)")
KERNEL = re.compile(r"Kernel header #\d+:")
END = re.compile(r"\}")


@dataclasses.dataclass(frozen=True)
class TwinTensor:
    """An input or output of a function.

    Attributes:
        shape: its dimensions, in the order of ``order``; those that a network lacks are 1.
        dtype: such as ``CNRT_FLOAT16``.
        order: of dimensions, such as ``CNRT_NHWC``.
    """

    shape: tuple[int, ...]
    dtype: str
    order: str


@dataclasses.dataclass(frozen=True)
class TwinFunction:
    """What can be extracted from an offline model and run.

    Attributes:
        name: such as ``subnet0``.
        inputs, outputs: its tensors.
        core_limit: how many cores it was built for, at most.
        parallelism: how many cores one run uses.
    """

    name: str
    inputs: tuple[TwinTensor, ...]
    outputs: tuple[TwinTensor, ...]
    core_limit: int
    parallelism: int


@dataclasses.dataclass(frozen=True)
class Twins:
    """A whole twins file.

    Attributes:
        model: the file that it is the twin of.
        functions: of the model.
    """

    model: str
    functions: tuple[TwinFunction, ...]


def read_twins(path: Path) -> Twins:
    """Read a twins file.

    Raises:
        InfrastructureError: it is none, or ends before all that it announces was said.
        UsageError: it cannot be read.
    """
    text = read_bytes(path, "twins file").decode(errors="replace")
    return _Reader([line.strip() for line in text.splitlines()], str(path)).whole()


class _Reader:
    """Reads lines one after the other; those that mean nothing to it are passed over."""

    def __init__(self, lines: list[str], source: str) -> None:
        self._lines, self._source = lines, source
        self._at = 0

    def whole(self) -> Twins:
        title = TITLE.fullmatch(self._lines[0]) if self._lines else None
        if title is None:
            raise InfrastructureError(
                f"{self._source} is no twins file: its first line does not say of which model it is; save "
                "the offline model again"
            )
        functions = tuple(self._function(index) for index in range(self._number("Function number")))
        return Twins(title[1], functions)

    def _function(self, index: int) -> TwinFunction:
        self._numbered(FUNCTION, f"Function #{index}")
        name = self._match(NAME, "Name")[1]
        inputs, outputs = self._tensors("Input"), self._tensors("Output")
        self._match(KERNEL, "Kernel header")
        parallelism, limit = self._number("Model Parallelism"), self._number("Core limit")
        self._match(END, "the closing brace")
        return TwinFunction(name, inputs, outputs, limit, parallelism)

    def _tensors(self, kind: str) -> tuple[TwinTensor, ...]:
        return tuple(self._tensor(f"{kind} #{index}") for index in range(self._number(f"{kind} number")))

    def _tensor(self, name: str) -> TwinTensor:
        self._numbered(TENSOR, name)
        shape = tuple(map(int, self._match(SHAPE, f"the shape of {name}")[1].split()))
        return TwinTensor(shape, *self._match(TYPE, f"the data type of {name}").groups())

    def _numbered(self, pattern: re.Pattern[str], name: str) -> None:
        """Go behind the line that begins a function or tensor, which must be this one."""
        if self._match(pattern, name)[1] != name:
            self._truncated(name)

    def _number(self, key: str) -> int:
        found = self._match(NUMBER, key)
        if found[1] != key:
            self._truncated(key)
        return int(found[2])

    def _match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """Return the next line that has the pattern; whatever else stands before it is passed over."""
        for at in range(self._at, len(self._lines)):
            found = pattern.fullmatch(self._lines[at])
            if found is not None:
                self._at = at + 1
                return found
        return self._truncated(what)

    def _truncated(self, missing: str) -> NoReturn:
        raise InfrastructureError(
            f"{self._source} is truncated: {missing} is missing after line {self._at}; save the offline "
            "model again"
        )
