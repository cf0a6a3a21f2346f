"""Computed tensors: statistics of a sum against a loop that reads both, files that are written against reading and
writing as many bytes, transposed tensors, and products of matrices against the multiply-adds of the machine. What writes
nothing is measured in the time of the processor, of all threads together."""

import ctypes
import os
import subprocess
import threading
import time

from measure import (DIRECTORY, RUNS, Shell, cpu_of, heading, numpy, rate, rate_heading, row, scaled, take_turns,
                     tensor_file, torch)
from stats import BLOCK, elements, mapped

COLUMNS = 4096
RANK = 16
TARGET = os.path.join(DIRECTORY, "computed.safetensors")
LOOPS = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
typedef double Vector __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef double Vector __attribute__((vector_size(32)));
#else
typedef double Vector __attribute__((vector_size(16)));
#endif
enum { LANES = sizeof(Vector) / sizeof(double) };

uint64_t read_both(const unsigned char *a, const unsigned char *b, size_t size) {
  uint64_t sum = 0, x, y;
  for (size_t i = 0; i + sizeof x <= size; i += sizeof x) {
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    sum += x + y;
  }
  return sum;
}

/* Multiply-adds that depend on nothing but the tenth before them. */
#define SUMS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
double multiply_add(uint64_t rounds, double factor) {
  Vector x = {0};
  for (int i = 0; i < LANES; i++) x[i] = factor;
#define SUM(n) Vector sum_##n = x * (double)(n + 1);
  SUMS(SUM)
#undef SUM
  for (uint64_t r = 0; r < rounds; r++) {
#define SUM(n) sum_##n = sum_##n * x + x;
    SUMS(SUM)
#undef SUM
  }
  double total = 0;
#define SUM(n) total += sum_##n[0];
  SUMS(SUM)
#undef SUM
  return total;
}
uint64_t multiply_adds(uint64_t rounds) { return rounds * 10 * LANES; }
"""


def busy(shell, sql):
    return cpu_of(shell.timed(sql))


def loops():
    os.makedirs(DIRECTORY, exist_ok=True)
    path = os.path.abspath(os.path.join(DIRECTORY, "expressions.so"))
    subprocess.run([os.environ.get("CC", "cc"), "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC", "-x", "c",
                    "-", "-o", path], input=LOOPS, text=True, check=True)
    library = ctypes.CDLL(path)
    library.multiply_add.argtypes = [ctypes.c_uint64, ctypes.c_double]
    library.multiply_add.restype = ctypes.c_double
    library.multiply_adds.argtypes = [ctypes.c_uint64]
    library.multiply_adds.restype = ctypes.c_uint64
    return library


def matrix(name, rows, columns, seed):
    """A BF16 matrix of weights, a block of them again and again, begun at another place each time."""
    nbytes, block = rows * columns * 2, elements("BF16").tobytes()
    shift = seed * 4096
    block = block[shift:] + block[:shift]
    whole, rest = divmod(nbytes, len(block))
    return tensor_file(name, "BF16", [rows, columns], nbytes, [block] * whole + [block[:rest]])


def reading(loop, a, b, threads):
    """A contestant: the loop over both, in equal parts on so many threads."""
    addresses = [ctypes.addressof(ctypes.c_char.from_buffer(view)) for view in (a, b)]
    part = len(a) // threads

    def work(number):
        loop(*(ctypes.c_void_p(address + number * part) for address in addresses), ctypes.c_size_t(part))

    def contestant():
        others = [threading.Thread(target=work, args=(number,)) for number in range(1, threads)]
        for other in others:
            other.start()
        work(0)
        for other in others:
            other.join()
    return cpu_of(contestant)


def statistics(library, a, b, nbytes):
    views = mapped(a), mapped(b)
    total = f"SELECT * FROM tensor_stats(tensor_add('{a}#x', '{b}#x'))"
    rows = f"SELECT '{a}#x' AS ref UNION ALL SELECT '{b}#x'"
    mean = f"SELECT * FROM tensor_stats((SELECT tensors_average(ref) FROM ({rows})))"
    straight = f"SELECT * FROM tensor_stats('{a}#x')"
    turned = f"SELECT * FROM tensor_stats(tensor_transpose('{a}#x'))"
    with Shell(total, mean) as one, Shell("PRAGMA threads = 1", total, mean) as two:
        seconds = take_turns(reading(library.read_both, *views, 1), busy(one, total), busy(one, mean),
                             reading(library.read_both, *views, 2), busy(two, total), busy(two, mean))
        across = take_turns(busy(one, straight), busy(one, turned), runs=3)
        peak = max(one.peak_memory(), two.peak_memory())
    rates = [2 * nbytes / 1e9 / taken for taken in seconds]
    rate_heading(f"two BF16 tensors of {nbytes >> 20} MiB each")
    rate("tensor_stats of a + b; peer: a loop that reads both", rates[1], rates[0], 0.5)
    rate("tensor_stats of their average", rates[2], rates[0])
    rate("the same on two threads; peer: the loop on two", rates[4], rates[3], 0.5)
    rate("tensor_stats of their average on two threads", rates[5], rates[3])
    rate("tensor_stats of a transposed; peer: of a", *(nbytes / 1e9 / taken for taken in reversed(across)))
    row("  peak memory, MiB, with what is mapped of the files", peak / (1 << 20), unit="MiB")


def copying(paths, size):
    """A contestant: all of the files read, and as many bytes as TARGET has written and brought to the disk."""
    def contestant():
        if os.path.exists(TARGET):
            os.unlink(TARGET)
        start = time.perf_counter()
        for path in paths:
            subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["dd", f"if={paths[0]}", f"of={TARGET}", "bs=1M", "conv=fsync", "status=none"], check=True)
        assert os.path.getsize(TARGET) >= size
        return time.perf_counter() - start
    return contestant


def writing(shell, rows, expression):
    sql = ("INSERT INTO safetensors_write(path, name, dtype, shape, data) "
           f"SELECT '{TARGET}', 'x', 'BF16', '[{rows},{COLUMNS}]', {expression}")

    def contestant():
        if os.path.exists(TARGET):
            os.unlink(TARGET)
        start = time.perf_counter()
        shell.run(sql)
        return time.perf_counter() - start
    return contestant


def torch_lora(base, up, down, rows, threads):
    """W + s (B A) in float32, loaded and saved: from a mapping, and by one write, as the package safetensors does."""
    def contestant():
        torch.set_num_threads(threads)
        if os.path.exists(TARGET):
            os.unlink(TARGET)
        start = time.perf_counter()
        w, b, a = (torch.frombuffer(mapped(path), dtype=torch.bfloat16) for path in (base, up, down))
        sums = w.view(rows, COLUMNS).float().addmm_(b.view(rows, RANK).float(), a.view(RANK, COLUMNS).float(), alpha=2)
        with open(TARGET, "wb") as file:
            file.write(sums.bfloat16().view(torch.int16).numpy())
            os.fsync(file.fileno())
        return time.perf_counter() - start
    return contestant


def written(a, b, rows, nbytes):
    up, down = matrix("expressions_up", rows, RANK, 3), matrix("expressions_down", RANK, COLUMNS, 4)
    average = f"(SELECT tensors_average(ref) FROM (SELECT '{a}#x' AS ref UNION ALL SELECT '{b}#x'))"
    lora = f"tensor_add('{a}#x', tensor_mul(2, tensor_matmul('{up}#x', '{down}#x')))"
    with Shell() as one, Shell("PRAGMA threads = 1") as two:
        contestants = [copying([a, b], nbytes), writing(one, rows, average), writing(two, rows, average),
                       copying([a], nbytes), writing(one, rows, lora), writing(two, rows, lora)]
        if torch:
            contestants += [torch_lora(a, up, down, rows, threads) for threads in (1, 2)]
        seconds = take_turns(*contestants, runs=min(RUNS, 5))
        peak = max(one.peak_memory(), two.peak_memory())
    heading(f"BF16 tensors of {nbytes >> 20} MiB, written")
    row("average of two; peer: cat of both, dd with fsync", seconds[1], seconds[0], goal=1.15)
    row("the same on two threads", seconds[2], seconds[0], goal=1.15)
    row("LoRA of rank 16; peer: cat, dd with fsync", seconds[4], seconds[3])
    row("the same on two threads", seconds[5], seconds[3])
    if torch:
        row("LoRA of rank 16; peer: PyTorch in float32", seconds[4], seconds[6], goal=1)
        row("the same on two threads, both", seconds[5], seconds[7], goal=1)
    else:
        print("not measured: LoRA of rank 16 beside PyTorch, which is not installed")
    row("  peak memory, MiB", peak / (1 << 20), unit="MiB", goal=64)
    for path in (up, down, TARGET):
        os.unlink(path)


def products(library, size):
    square = matrix("expressions_square", size, size, 5)
    rounds = 20_000_000
    straight = f"SELECT mean FROM tensor_stats(tensor_matmul('{square}#x', '{square}#x'))"
    turned = f"SELECT mean FROM tensor_stats(tensor_matmul('{square}#x', tensor_transpose('{square}#x')))"
    with Shell() as one:
        machine, ours, across = take_turns(cpu_of(lambda: library.multiply_add(rounds, 0.5)), busy(one, straight),
                                           busy(one, turned), runs=3)
    heading(f"{size} x {size} times {size} x {size}, BF16: 10^9 multiply-adds/s", "ours", "machine")
    peak, done = library.multiply_adds(rounds) / machine / 1e9, size ** 3 / 1e9
    row("tensor_matmul", done / ours, peak, unit="")
    row("tensor_matmul with the right matrix transposed", done / across, peak, unit="")
    os.unlink(square)


def run():
    if not numpy:
        print("\nskipped: computed tensors (no NumPy to make the data with)")
        return
    library = loops()
    nbytes = scaled(1 << 30, BLOCK)
    rows = nbytes // 2 // COLUMNS
    a, b = matrix("expressions_a", rows, COLUMNS, 1), matrix("expressions_b", rows, COLUMNS, 2)
    statistics(library, a, b, nbytes)
    written(a, b, rows, nbytes)
    products(library, 2048)
    for path in (a, b):
        os.unlink(path)
