"""The network with its batch norms as TensorFlow functions: while training, and as it is used afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobilenet.layers import LOGITS, layers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mobilenet.layers import Layer

    Tensor = Any  # TensorFlow ships no types
    Normalize = Callable[[Tensor, Layer], Tensor]

EPSILON = 1e-3
"""Of every batch norm."""


def logits(pictures: Tensor, variables: Mapping[str, Tensor], normalize: Normalize) -> Tensor:
    """Return the logits, (batch, classes).

    Args:
        pictures: (batch, height, width, 3) in -1..1.
        variables: by the names of :func:`mobilenet.layers.trained_shapes`.
        normalize: the batch norm of a layer.
    """
    import tensorflow as tf

    x = pictures
    for layer in layers():
        convolve = tf.nn.depthwise_conv2d if layer.depthwise else tf.nn.conv2d
        strides = [1, layer.stride, layer.stride, 1]
        x = convolve(x, variables[layer.kernel], strides, "SAME")
        x = tf.nn.relu6(normalize(x, layer))
    features = tf.reduce_mean(x, [1, 2])
    return tf.matmul(features, variables[f"{LOGITS}/weights"]) + variables[f"{LOGITS}/biases"]


def inference(pictures: Tensor, variables: Mapping[str, Tensor]) -> Tensor:
    """Return the logits with the moments that training kept, in the type of ``pictures``."""
    import tensorflow as tf

    cast = {name: tf.cast(value, pictures.dtype) for name, value in variables.items()}

    def normalize(x: Tensor, layer: Layer) -> Tensor:
        mean, variance, beta, gamma = (
            cast[layer.norm(part)] for part in ("moving_mean", "moving_variance", "beta", "gamma")
        )
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)

    return logits(pictures, cast, normalize)


def training(
    pictures: Tensor, variables: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
    """Return the logits with the moments of this batch, and these: mean and variance by layer."""
    import tensorflow as tf

    moments: dict[str, tuple[Tensor, Tensor]] = {}
    unused = tf.zeros([0])

    def normalize(x: Tensor, layer: Layer) -> Tensor:
        gamma, beta = (tf.convert_to_tensor(variables[layer.norm(part)]) for part in ("gamma", "beta"))
        normal, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=unused, variance=unused, epsilon=EPSILON, is_training=True
        )
        moments[layer.name] = (mean, variance)
        return normal

    return logits(pictures, variables, normalize), moments
