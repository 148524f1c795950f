"""The truth is checked first: where goldens themselves give wrong answers, no device is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.errors import GoldenError
from conformance.network_file import FILE

if TYPE_CHECKING:
    from conformance.goldens import GoldenStore


def refuse_wrong_goldens(store: GoldenStore) -> None:
    """Demand that a network's goldens give the right answers that it demands of every device.

    Raises:
        GoldenError: they do not, so that the truth, the acceptance or the graph is wrong.
    """
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
