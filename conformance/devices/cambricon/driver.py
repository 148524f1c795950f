"""The card as a device: Cambricon's TensorFlow in worker processes under the vendor's Python.

Never run on a card. Every line but those that need ``mlu_options`` is exercised with stock TensorFlow 1.15.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.devices.base import DeviceInfo, Hosted, Unsupported
from conformance.devices.cambricon import worker
from conformance.devices.cambricon.calibration import vendor_scales
from conformance.devices.cambricon.card_lock import DIRECTORY, take_card
from conformance.devices.cambricon.cards import Card, Survey, survey
from conformance.devices.cambricon.graph_size import check_size
from conformance.devices.cambricon.interpreter import find_interpreter
from conformance.devices.cambricon.offline import saving
from conformance.devices.cambricon.options import FUSION, QUANT_PARAM, WHAT, parse_options
from conformance.devices.cambricon.state import card_state
from conformance.devices.worker.halving import SurvivingSession
from conformance.devices.worker.host import Launch, WorkerHost
from conformance.devices.worker.session import RemoteSession, probe
from conformance.errors import DeviceError, InfrastructureError, UsageError
from conformance.files import read_bytes, write_atomically
from conformance.precision import PRECISIONS
from conformance.quantization.parameter_file import QuantizationScales, scales_sha256, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np

    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision

STOCK_NOTE = "stock TensorFlow {} in place of Cambricon's: precision and fusion are ignored, no card was used"


class Greeting(msgspec.Struct, frozen=True):
    """What the worker says of itself."""

    python: str
    numpy: str
    tensorflow: str
    stock: bool


class CambriconDevice:
    """One card, locked for this process, and the vendor's TensorFlow that drives it.

    The framework reads its environment when it is imported, so one worker serves one precision. There is one
    worker at a time.

    Args:
        given: the device's options, see :func:`conformance.devices.cambricon.options.parse_options`.
        timeout: seconds that compiling a graph, and running it, may take.
        look: finds the cards.

    Raises:
        UsageError: an option is wrong, or the interpreter or its TensorFlow is not what it must be.
        InfrastructureError: no card is visible, the one that is cannot be used, or all are in use.
    """

    def __init__(
        self, given: Mapping[str, str], *, timeout: float = 300.0, look: Callable[[], Survey] = survey
    ) -> None:
        self._options, self._timeout = parse_options(given), timeout
        self._survey = look()
        indices = usable_cards(self._survey, self._options.cards, allow_stock=self._options.allow_stock)
        self._python = find_interpreter(self._options.python, os.environ, Path.home())
        self._base = dict(os.environ)  # as it is now; workers need not see how pytest changes it
        self._files: Path | None = None
        self._lock = take_card(indices, self._options.lock_dir or DIRECTORY)
        self._host = WorkerHost(timeout, lambda host, launch: probe(host, launch, self._opening()))
        try:
            self._host.ready(self._launch(PRECISIONS[0], QuantizationScales(8, {}), fuse=True))
            self._greeting = _greeting(self._host.greeting)
            self._check_options()
            if not self._greeting.stock:
                self._check_card()
        except BaseException:
            self.close()
            raise

    def _check_options(self) -> None:
        if self._options.offline and self._greeting.stock:
            raise UsageError("stock TensorFlow saves no offline model; drop --device-option offline=1")

    def _check_card(self) -> None:
        """Check that a card was locked, and not a number that only stock TensorFlow may do with."""
        usable = usable_cards(self._survey, self._options.cards, allow_stock=False)
        if self._lock.index not in usable:
            raise InfrastructureError(
                f"card {self._lock.index} cannot be used, but {', '.join(map(str, usable))} can; drop "
                "--device-option allow-stock=1, as this TensorFlow is Cambricon's"
            )

    @property
    def _card(self) -> Card:
        found = [card for card in self._survey.cards if card.index == self._lock.index]
        return found[0] if found else Card(self._lock.index, None)

    def info(self) -> DeviceInfo:
        """Return card, driver, firmware, framework; stock TensorFlow is a kind of its own, and simulated."""
        card, greeting = self._card, self._greeting
        return DeviceInfo(
            kind="cambricon-stock" if greeting.stock else "cambricon",
            model="stock TensorFlow on the CPU" if greeting.stock else card.model or "unknown",
            simulated=greeting.stock,
            driver=card.driver or self._survey.driver,
            firmware=card.firmware,
            runtime=f"Neuware {self._survey.neuware}" if self._survey.neuware else "",
            framework=f"tensorflow {greeting.tensorflow} (Python {greeting.python})",
            serial=card.serial,
            settings={str(precision): self._settings(precision) for precision in PRECISIONS},
        )

    def state(self) -> dict[str, float]:
        """Return clock, temperature and power of the card, as far as its driver tells."""
        return {} if self._greeting.stock else card_state(self._card)

    def _settings(self, precision: Precision) -> dict[str, str]:
        """Return what decides the results of a precision: variables and ``mlu_options``."""
        environment = self._environment(precision, Path(f"int{precision.fixed_bits}.quant.txt"), fuse=True)
        variables = {name: value for name, value in environment.items() if name.startswith("MLU_")}
        if FUSION not in self._options.variables:
            variables[FUSION] = "true (layer by layer: false)"
        given = {name: environment[name] for name in self._options.variables}
        options = {name: str(value) for name, value in self._opening().items()}
        options |= {"save_offline_model": "True"} if self._options.offline else {}
        return {**variables, **given, **options, "python": str(self._python)}

    def _environment(self, precision: Precision, quant_param: Path, *, fuse: bool) -> dict[str, str]:
        return self._options.environment(self._base, self._lock.index, precision, quant_param, fuse=fuse)

    def _opening(self) -> dict[str, Any]:
        """Return what every request to open says: the ``mlu_options``."""
        options = self._options
        return {
            "core_num": options.core_num,
            "core_version": options.core_version,
            "optype_black_list": options.optype_black_list,
        }

    def _launch(self, precision: Precision, scales: QuantizationScales, *, fuse: bool) -> Launch:
        """Return the worker of a precision, with a parameter file of its own, new at every start."""
        name = f"{precision}-{scales_sha256(scales)[:8]}.quant.txt"
        path = (self._files or self._host.path) / name
        return Launch(
            what=WHAT,
            command=(str(self._python), worker.__file__),
            environment=self._environment(precision, path, fuse=fuse),
            hello={"allow_stock": self._options.allow_stock},
            descriptors=(self._lock.descriptor,),
            name=f"{precision}{'' if fuse else '-layers'}",
            prepare=functools.partial(self._write_parameters, path, scales),
        )

    def _write_parameters(self, path: Path, scales: QuantizationScales) -> None:
        """Write a fresh parameter file, which the framework may change, or copy the user's own."""
        given = self._options.variables.get(QUANT_PARAM)
        if given is None:
            write(path, scales)
        else:
            content = read_bytes(Path(given), f"--device-option {QUANT_PARAM}: the file")
            write_atomically(path, lambda file: file.write(content))

    def open(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        *,
        precision: Precision,
        scales: QuantizationScales,
        fuse: bool = True,
    ) -> SurvivingSession:
        """Compile ``graph`` for one core; see :class:`conformance.devices.base.Device`.

        Raises:
            Unsupported: the constants are larger than TensorFlow 1 takes.
            UsageError: the parameter file folds preprocessing into the first convolution.
        """
        check_size(graph)
        if scales.convfirst:
            raise UsageError(
                "the quantisation parameter file has a convfirst_param block, so the card would preprocess "
                "pixels that are preprocessed already; remove the block"
            )
        launch = self._launch(precision, scales, fuse=fuse)
        part, notes = functools.partial(RemoteSession, self._host, launch), self._notes(precision)
        if self._options.offline and fuse:
            name = f"{precision}-{graph.sha256[:8]}"
            return saving(graph, fetches, part, notes, self._options, self._opening(), self._files, name)
        return SurvivingSession(graph, fetches, functools.partial(part, opening=self._opening()), notes)

    def _notes(self, precision: Precision) -> list[str]:
        greeting = self._greeting
        stock = [STOCK_NOTE.format(greeting.tensorflow)] if greeting.stock else []
        environment = self._environment(precision, Path("quant.txt"), fuse=True)
        return [*stock, *self._options.contradictions(environment, precision)]

    def hosting(self, hosted: Hosted) -> CambriconDevice:
        """Return the same card with operator types on ``optype_black_list``; it knows types only.

        Raises:
            Unsupported: single nodes are asked for.
        """
        if hosted.nodes:
            raise Unsupported("the framework leaves whole operator types to the host, not single nodes")
        listed = [*filter(None, self._options.optype_black_list.split(",")), *sorted(hosted.operators)]
        other = copy.copy(self)
        other._options = dataclasses.replace(  # noqa: SLF001 - a copy of itself
            self._options, optype_black_list=",".join(dict.fromkeys(listed))
        )
        return other

    def calibrate(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        samples: Iterable[Mapping[str, np.ndarray[Any, Any]]],
        bits: int,
    ) -> QuantizationScales:
        """Return the scales that the vendor's framework finds; see :func:`vendor_scales`.

        Raises:
            Unsupported: the framework is stock TensorFlow, which does not calibrate.
        """
        if self._greeting.stock:
            raise Unsupported("stock TensorFlow does not calibrate")
        return vendor_scales(self._options, graph, fetches, samples, bits, timeout=self._timeout)

    def keep_logs(self, directory: Path) -> None:
        """Write what workers print, and the parameter files that they are given, into ``directory``."""
        self._host.keep_logs(directory)
        self._files = directory

    def close(self) -> None:
        """End the worker, then give the card back; safe to call twice."""
        self._host.close()
        self._lock.close()


def _greeting(greeting: Mapping[str, Any]) -> Greeting:
    try:
        return msgspec.convert(greeting, Greeting)
    except msgspec.ValidationError as error:
        raise DeviceError(f"{WHAT} does not say what it is: {error}") from error


def usable_cards(found: Survey, asked: Sequence[int] | None, *, allow_stock: bool) -> list[int]:
    """Return the numbers of the cards that may be taken.

    With ``allow_stock`` no card is needed: the numbers asked for, or 0, are locked as if they were cards.

    Raises:
        InfrastructureError: no card is visible, or none of those that are, or that were asked for, is usable.
    """
    if allow_stock:
        return list(asked or [0])
    usable = [card.index for card in found.usable if asked is None or card.index in asked]
    if usable:
        return usable
    if not found.cards:
        looked = "; ".join(found.looked_for)
        raise InfrastructureError(
            f"no Cambricon card is visible ({looked}); give --device=emulator to emulate one"
        )
    wanted = f" of those asked for ({', '.join(map(str, asked))})" if asked else ""
    shown = "; ".join(_described(card) for card in found.cards)
    raise InfrastructureError(
        f"no card{wanted} can be used: {shown}; load the driver, pass the device file into the container, or "
        "choose another with --device-option card=NUMBER"
    )


def _described(card: Card) -> str:
    state = f"device file {card.device_file}" if card.device_file else "without device file"
    return " ".join(filter(None, [f"card {card.index}", card.model, card.bus, state]))
