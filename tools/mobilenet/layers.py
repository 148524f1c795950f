"""The layers of the network, and the names and shapes of their variables.

Source: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, table 1, with fewer layers and channels; names after TensorFlow-Slim's MobilenetV1.
"""

from __future__ import annotations

from typing import NamedTuple

CLASSES = 10
SIZE = 64
FIRST = 16
"""Channels of the first convolution."""
PAIRS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
"""Channels and stride of each depthwise convolution with the pointwise one after it."""
FEATURES = PAIRS[-1][0]
LOGITS = "MobilenetV1/Logits"
MOMENTS = ("moving_mean", "moving_variance")


class Layer(NamedTuple):
    """A convolution with its batch norm and Relu6."""

    name: str
    edge: int  # of the kernel
    channels_in: int
    channels_out: int
    stride: int = 1
    depthwise: bool = False

    @property
    def kernel(self) -> str:
        """Name of the filter."""
        return f"{self.name}/{'depthwise_weights' if self.depthwise else 'weights'}"

    @property
    def shape(self) -> list[int]:
        """Shape of the filter."""
        return [self.edge, self.edge, self.channels_in, 1 if self.depthwise else self.channels_out]

    def norm(self, part: str) -> str:
        """Return the name of a variable of the batch norm."""
        return f"{self.name}/BatchNorm/{part}"


def layers() -> list[Layer]:
    """Return all convolutions, first to last."""
    found = [Layer("MobilenetV1/Conv2d_0", 3, 3, FIRST, stride=2)]
    channels = FIRST
    for index, (wider, stride) in enumerate(PAIRS, 1):
        name = f"MobilenetV1/Conv2d_{index}"
        found.append(Layer(f"{name}_depthwise", 3, channels, channels, stride, depthwise=True))
        found.append(Layer(f"{name}_pointwise", 1, channels, wider))
        channels = wider
    return found


def trained_shapes() -> dict[str, list[int]]:
    """Return the shape of every variable of training, batch norms unfolded, by name."""
    shapes: dict[str, list[int]] = {}
    for layer in layers():
        shapes[layer.kernel] = layer.shape
        for part in ("gamma", "beta", *MOMENTS):
            shapes[layer.norm(part)] = [layer.channels_out]
    shapes[f"{LOGITS}/weights"] = [FEATURES, CLASSES]
    shapes[f"{LOGITS}/biases"] = [CLASSES]
    return shapes
