"""Values of large tensors: element by element, and cast as a whole."""

import json

from measure import Shell, copying, heading, numpy, row, scaled, take_turns, tensor_file


def as_json():
    """Numbers as text, of values that need all their digits."""
    count = scaled(5_000_000, 1000)
    if numpy is None:
        print("\nvalues as JSON: skipped, for NumPy is not installed")
        return
    array = numpy.random.default_rng(1).standard_normal(count).astype(numpy.float32)
    path = tensor_file("values_random", "F32", [count], array.nbytes, [array.tobytes()])
    heading(f"values as JSON: {count:,} F32 elements", "ours", "Python")
    text = f"SELECT length(tensor_json('{path}#x'))"
    with Shell(text) as shell:
        row("tensor_json; peer: json.dumps of NumPy's tolist()",
            *take_turns(shell.timed(text), lambda: json.dumps(array.tolist()), runs=5))


def run():
    count = scaled(100_000_000, 1000)
    shape = [count // 1000, 1000]
    f32 = tensor_file("values_F32", "F32", shape, count * 4)
    bf16 = tensor_file("values_BF16", "BF16", shape, count * 2)
    elements = f"SELECT sum(value) FROM tensor_elements('{f32}#x')"
    series = f"SELECT sum(value) FROM generate_series(1, {count})"
    cast = f"SELECT length(tensor_cast('{bf16}#x', 'F32'))"
    heading(f"values: {count:,} elements")
    with Shell(elements) as shell:
        row("sum(value) of F32 elements; peer: generate_series",
            *take_turns(shell.timed(elements), shell.timed(series)), goal=2)
    with Shell(cast) as shell:
        row("tensor_cast BF16 to F32; peer: memcpy of the result",
            *take_turns(shell.timed(cast), copying(count * 4)), goal=2)
    as_json()
