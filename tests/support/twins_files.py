"""Twins files of offline models as the vendor's library writes them, of functions that a test describes."""

TENSOR = """\
    {kind} #{index}.
        Mask: 338036233
        Shape(dim): {shape}
        Name:
        Id: {id}
        Data type: {dtype}        Dim Order: CNRT_NHWC
        Quantize position: 0
        Quantize scale: 0.000000
"""
FUNCTION = """\

Function #{index} {{
Kernel num:1
Cache mode:0
Name: subnet{index}
Input number: {inputs}
{input_lines}Output number: {outputs}
{output_lines}Kernel header #0:
    Name: subnet{index}19
    Core version:
    Model Parallelism: {cores}
    Core limit: {cores}
    Inst data split: true
}}
"""


def twins_text(*functions, model="{name}.cambricon", cores=1, dtype="CNRT_FLOAT16"):
    """Return the text of functions, each a pair of lists of shapes: inputs and outputs."""
    head = f'This is the Twins File of "{model}".\nFunction number: {len(functions)}\n'
    parts = [_function(index, *shapes, cores, dtype) for index, shapes in enumerate(functions)]
    return f"{head}---------------kernel graph--------------------\n{''.join(parts)}"


def _function(index, inputs, outputs, cores, dtype):
    return FUNCTION.format(
        index=index,
        inputs=len(inputs),
        outputs=len(outputs),
        input_lines=_tensors("Input", inputs, dtype),
        output_lines=_tensors("Output", outputs, dtype),
        cores=cores,
    )


def _tensors(kind, shapes, dtype):
    return "".join(
        TENSOR.format(kind=kind, index=index, id=60 + index, dtype=dtype, shape=" ".join(map(str, shape)))
        for index, shape in enumerate(shapes)
    )
