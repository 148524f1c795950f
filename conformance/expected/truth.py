"""The truth is checked first: where goldens or the acceptance can tell nothing, no device is to blame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.errors import GoldenError, UsageError
from conformance.network_file import FILE

if TYPE_CHECKING:
    from conformance.goldens import GoldenStore


def refuse_wrong_goldens(store: GoldenStore) -> None:
    """Demand that a network's goldens give the right answers that it demands of every device.

    Raises:
        GoldenError: they do not, so that the truth, the acceptance or the graph is wrong.
        UsageError: the acceptance holds an output of one number by its cosine alone.
    """
    _refuse_single_numbers_by_cosine(store)
    network, accepted = store.network, store.network.acceptance.answers
    for output in network.outputs:
        if output.answers is None or accepted is None:
            continue
        store.ensure([output.name])
        for sample in range(network.samples):
            golden = store.get(output.name, sample)
            counted = output.answers.count(golden, network.truth(output, sample, golden.shape))
            if counted.share < accepted:
                raise GoldenError(
                    f"network {network.name!r} itself, in float64 and whatever the device, gives "
                    f"{counted.right} of {counted.total} right answers ({counted.share:.1%}) in "
                    f"{output.name} (sample {sample}), but at least {100 * accepted:g} % are accepted; "
                    f"correct truth or acceptance in {network.directory / FILE}, or the graph"
                )


def _refuse_single_numbers_by_cosine(store: GoldenStore) -> None:
    """Demand another criterion for outputs of one number: between two, the cosine is 1 whatever they are."""
    network = store.network
    if network.acceptance.psnr is not None:
        return
    for output in network.outputs:
        answers = network.acceptance.answers is not None and output.answers is not None
        sizes = [math.prod(sample.shape) for sample in store.node(output.name).samples]
        if 1 in sizes and not answers:
            raise UsageError(
                f"output {output.name!r} of network {network.name!r} is one number, and [acceptance] in "
                f"{network.directory / FILE} holds it by its cosine alone, which is 1 for any number of the "
                "same sign; add psnr, or answers and [output.answers]"
            )
