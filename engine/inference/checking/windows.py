"""Operations that slide a window over pictures, or take a value for each of their channels."""

from __future__ import annotations

from engine.inference.checking.call import Call, Tensor


def of_bias(call: Call) -> Tensor:
    """Give a picture with a number added to each channel."""
    _require_format(call)
    value, bias = call.of_rank(0, 4), call.of_rank(1, 1)
    call.require(value.shape[3:] == bias.shape, "takes a bias for each channel")
    return Tensor(value.dtype, value.shape)


def _require_format(call: Call) -> None:
    call.require(call.attribute("data_format", b"NHWC") == b"NHWC", "must be of the format NHWC")
    call.require(call[0].dtype.kind in "if", "takes numbers")


def _window(call: Call, name: str, least_default: bool = True) -> tuple[int, int]:
    """Return the rows and columns of an attribute such as ``strides``."""
    attribute = call.attribute(name, None)
    sizes = (
        [1, 1, 1, 1]
        if attribute is None and least_default
        else list(attribute.i if attribute else ())
    )
    call.require(
        len(sizes) == 4 and sizes[0] == sizes[3] == 1 and all(1 <= n <= 4096 for n in sizes),
        f"needs {name} [1, rows, columns, 1]",
    )
    return sizes[1], sizes[2]


def _slid(call: Call, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Return rows and columns that are left when a window slides over an image."""
    explicit = call.attribute("explicit_paddings", None)
    padding = call.attribute("padding", b"")
    call.require(
        padding in (b"SAME", b"VALID") and not (explicit and explicit.i),
        "must be padded SAME or VALID",
    )
    strides, dilations = _window(call, "strides", False), _window(call, "dilations")
    call.require(1 in (max(strides), max(dilations)), "cannot have strides and dilations at once")
    if padding == b"SAME":
        return tuple(-(-n // stride) for n, stride in zip(size, strides, strict=True))
    wide = [(n - 1) * dilation + 1 for n, dilation in zip(kernel, dilations, strict=True)]
    left = tuple((n - k) // s + 1 for n, k, s in zip(size, wide, strides, strict=True))
    call.require(min(left) > 0, "has a window larger than the picture")
    return left


def of_convolution(call: Call) -> Tensor:
    """Give a picture, weighed and summed in windows."""
    _require_format(call)
    image, weights = call.of_rank(0, 4), call.of_rank(1, 4)
    *kernel, channels_in, channels_out = weights.shape
    call.require(channels_in == image.shape[3], "takes as many channels as its weights have")
    if call.node.operation == "DepthwiseConv2dNative":
        strides = _window(call, "strides", False)
        call.require(strides[0] == strides[1], "needs strides that are equal")
        channels_out *= channels_in
    rows, columns = _slid(call, image.shape[1:3], tuple(kernel))
    return Tensor(image.dtype, (image.shape[0], rows, columns, channels_out))


def of_transposed_convolution(call: Call) -> Tensor:
    """Give a picture of the given shape, from which a convolution would have led to this one."""
    call.require(call.attribute("data_format", b"NHWC") == b"NHWC", "must be of the format NHWC")
    image, weights, shape = call.of_rank(2, 4), call.of_rank(1, 4), call.integers(0)
    *kernel, channels_out, channels_in = weights.shape
    call.require(len(shape) == 4 and min(shape) > 0, "needs the four lengths of its output")
    call.require(
        shape[0] == image.shape[0] and shape[3] == channels_out and channels_in == image.shape[3],
        "takes as many channels as its weights have",
    )
    call.require(
        _slid(call, tuple(shape[1:3]), tuple(kernel)) == image.shape[1:3],
        "must give an image that its strides lead to",
    )
    return Tensor(image.dtype, tuple(shape))


def of_normalisation(call: Call) -> list[Tensor]:
    """Give a picture of which each channel is normalised, and the statistics."""
    _require_format(call)
    image = call.of_rank(0, 4)
    channels = image.shape[3]
    for index in range(1, 5):
        # In training mode the mean and variance are those of the batch, and may be left empty.
        empty = (0,) if index > 2 and call.node.is_training else (channels,)
        call.require(call[index].shape in ((channels,), empty), "takes a value for each channel")
    call.require(image.count > 0, "takes a picture")
    statistics = Tensor(call[1].dtype, (channels,))
    num_more = 5 if call.node.operation == "FusedBatchNormV3" else 4
    return [Tensor(image.dtype, image.shape), *[statistics] * num_more]


def of_pool(call: Call) -> Tensor:
    """Give one number for each window and channel."""
    _require_format(call)
    image = call.of_rank(0, 4)
    rows, columns = _slid(call, image.shape[1:3], _window(call, "ksize", False))
    return Tensor(image.dtype, (image.shape[0], rows, columns, image.shape[3]))
