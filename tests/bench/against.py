"""Another build beside this one, in CPU time: AGAINST=OTHER/build, such as that of an earlier commit.

Each statement runs in a shell of each build by turns, so that what else the machine does meets both. CPU time is that
of all threads of the shell (Linux counts it in nanoseconds), so a busy machine matters little."""

import os

from measure import (SCALE, Shell, cpu_of, fixture, heading, in_fresh_shell, row, scaled, take_turns,
                     tensor_file)

AGAINST = os.environ.get("AGAINST")


def random_tensors(dtype, size):
    """Two files with the same tensor of that dtype: refs to it."""
    nbytes = scaled(256 << 20, 1 << 20)
    block = os.urandom(1 << 20)
    if size > 1:  # no exponent of all ones: numbers, not NaN
        block = bytes(byte & 0x3F if i % size == size - 1 else byte for i, byte in enumerate(block))
    paths = [tensor_file(f"against_{dtype}_{copy}", dtype, [nbytes // size], nbytes, [block] * (nbytes >> 20))
             for copy in "ab"]
    return [f"tensor_ref('{path}', 'x')" for path in paths]


def headers():
    model, other = fixture("model", "model.safetensors"), fixture("model", "model_2.safetensors")
    table = f"safetensors_tensors('{model}')"
    limit = [f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{fixture('limit', 'limit.safetensors')}')"]
    fresh = [("open 91,991 tensors", f"SELECT count(*), sum(nbytes) FROM {table}"),
             ("check 91,991 tensors", f"SELECT count(*) FROM safetensors_check('{model}')")]
    fresh += [("open 783,918 tensors", sql) for sql in limit if SCALE >= 1]
    for what, sql in fresh:
        row(what, *take_turns(cpu_of(in_fresh_shell(sql)), cpu_of(in_fresh_shell(sql, AGAINST))))
    return [("three columns of 91,991 rows", f"SELECT max(name), max(dtype), max(nbytes) FROM {table}"),
            ("join with another by name",
             f"SELECT count(name) FROM {table} a JOIN safetensors_tensors('{other}') b USING (name)")]


def values():
    elements = scaled(10_000_000, 1000)
    pairs = {dtype: random_tensors(dtype, size) for dtype, size in (("F32", 4), ("BF16", 2), ("F8_E4M3", 1))}
    f32, bf16 = pairs["F32"][0], pairs["BF16"][0]
    for dtype, (ref, copy) in pairs.items():
        yield f"tensor_stats {dtype}", f"SELECT * FROM tensor_stats({ref})"
        yield f"tensor_histogram {dtype}", f"SELECT count(*) FROM tensor_histogram({ref}, 20)"
        yield f"tensor_compare {dtype}", f"SELECT * FROM tensor_compare({ref}, {copy})"
    yield "tensor_hash", f"SELECT tensor_hash({f32})"
    yield "tensor_equal", "SELECT tensor_equal({}, {})".format(*pairs["F32"])
    yield "tensor_cast BF16 to F32", f"SELECT length(tensor_cast({bf16}, 'F32'))"
    yield "tensor_elements", f"SELECT sum(value) FROM tensor_elements({f32}, '0:{elements}')"
    yield "tensor_json", f"SELECT length(tensor_json({f32}, '0:{elements // 10}'))"


def run():
    if not AGAINST:
        print("\nanother build: none is named (AGAINST=OTHER/build)")
        return
    heading(f"CPU time, beside {AGAINST}", "this", "that")
    statements = headers()
    statements += values()
    with Shell("PRAGMA threads = 0") as this, Shell("PRAGMA threads = 0", build=AGAINST) as that:
        for what, sql in statements:
            this.run(sql)
            that.run(sql)
            row(what, *take_turns(cpu_of(this.timed(sql)), cpu_of(that.timed(sql))))
