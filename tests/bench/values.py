"""Values of large tensors: element by element, and cast as a whole."""

from measure import Shell, copying, heading, row, scaled, take_turns, tensor_file


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
