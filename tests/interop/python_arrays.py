"""The Python package's tensors: tensor() for NumPy, torch() for PyTorch, or what behaves like it. Expected bytes are
those that the files were made of, expected slices those that NumPy takes of them."""

import gc
import importlib
import os
import random
import struct
import sys
import tempfile
import threading
import types

import making
import reader
from python_package import error, imported, module
from tally import Tally

numpy = module("numpy")
if numpy is None:
    sys.exit(0)
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="python_arrays.")
package = imported(ROOT)
stored = package._stored
ML_DTYPES = module("ml_dtypes")
chance = random.Random(1)
LARGE = 1 << 20
NATIVE = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "F16": "float16", "I32": "int32",
          "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64"}
OTHERS = {"BF16": "bfloat16", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu",
          "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz"}
PACKED = ("F4", "F6_E2M3", "F6_E3M2")
EVERY = making.file(f"{ROOT}/every.safetensors", {
    dtype: (dtype, [2, 4], bytes(2 * 4 * bits // 8) if dtype == "BOOL" else chance.randbytes(2 * 4 * bits // 8))
    for dtype, bits in sorted(reader.BITS.items(), key=lambda item: -item[1])})
FLOATS = numpy.arange(LARGE, dtype="<f4").reshape(256, 16, 256)
BIG = making.file(f"{ROOT}/big.safetensors", {"big": ("F32", list(FLOATS.shape), FLOATS.tobytes()), "small": b"\1\2\3"})
db = package.connect()


def maps(path):
    """How many mappings of the file this process has."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        return sum(line.rstrip("\n").endswith(path) for line in file)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_dtypes():
    contents = making.tensors_of(EVERY)
    for dtype, (_, shape, data) in contents.items():
        ref = f"{EVERY}#{dtype}"
        if dtype in OTHERS and ML_DTYPES is None:
            kind, text = error(package.tensor, db, ref)
            tally.check(kind == "TypeError" and text.startswith(f"NumPy has no {dtype}: install the package ml_dtypes"),
                        f"{dtype} without ml_dtypes", kind, text)
            continue
        array = package.tensor(db, ref)
        wanted = {**NATIVE, **OTHERS}.get(dtype, "uint8")
        tally.equal((array.dtype.name, array.tobytes(), array.flags.writeable), (wanted, data, False), f"tensor() of {dtype}")
        tally.equal(list(array.shape), [2, 4 * reader.BITS[dtype] // 8] if dtype in PACKED else shape, f"shape of {dtype}")
    tally.equal(sorted(stored.BITS.items()), sorted(reader.BITS.items()), "the bits of all dtypes")


def test_casts():
    array = package.tensor(db, f"{BIG}#small", "F64")
    tally.equal((array.dtype.name, array.tolist()), ("float64", [1.0, 2.0, 3.0]), "tensor() with a dtype")
    tally.equal(package.tensor(db, f"{BIG}#small", "U8").tolist(), [1, 2, 3], "tensor() with its own dtype")
    kind, text = error(package.tensor, db, f"{BIG}#small", "F12")
    tally.check(kind == "OperationalError" and "F12" in text, "tensor() with a dtype that is none", kind, text)
    chunk, stored._CHUNK = stored._CHUNK, 100_000  # less than a row is one row
    try:
        tally.check((package.tensor(db, f"{BIG}#big", "F64") == FLOATS).all(), "a cast in several parts")
        db.execute("SELECT safetensors_config('io', 'pread')")
        tally.check((package.tensor(db, f"{BIG}?slice=1:9#big") == FLOATS[1:9]).all(), "a slice that is not mapped")
    finally:
        stored._CHUNK = chunk
        db.execute("SELECT safetensors_config('io', 'map')")


def random_slice(shape):
    """A slice in the extension's grammar, with some dimensions left out, and its parts for NumPy."""
    parts, taken = [], chance.randrange(0, len(shape) + 1)
    for length in shape[:taken]:
        if chance.random() < 0.3:
            parts.append(str(chance.randrange(-length, length)))
        else:
            bounds = [chance.choice(["", str(chance.randrange(-2 * length, 2 * length))]) for _ in range(2)]
            parts.append(":".join(bounds) + chance.choice(["", ":", f":{chance.randrange(1, 5)}"]))
    if chance.random() < 0.3:
        parts.append("...")
    return ", ".join(parts) or "..."


def test_slices():
    for _ in range(200):
        text = random_slice(FLOATS.shape)
        expected = eval(f"FLOATS[{text}]")  # pylint: disable=eval-used
        array = package.tensor(db, f"{BIG}?slice={text}#big")
        tally.check(isinstance(array, numpy.ndarray) and array.shape == expected.shape and (array == expected).all(),
                    f"slice {text}", array.shape, expected.shape)
    tally.check(package.tensor(db, f"{BIG}?slice=1#small").shape == (), "one element")
    tally.equal(package.tensor(db, f"{EVERY}?slice=1#F4").tobytes(), making.tensors_of(EVERY)["F4"][2][2:], "of F4")
    kind, text = error(package.tensor, db, f"{BIG}?slice=256#big")
    tally.check(kind == "OperationalError" and "256" in text, "a slice that is out of range", kind, text)


def test_no_copy():
    """The bytes are the file's, as long as an array needs them, and no longer."""
    if not os.path.exists("/proc/self/maps"):
        print("skipped: what is mapped (no /proc/self/maps)")
        return
    own = package.connect()
    before = descriptors()
    array = package.tensor(own, f"{BIG}#big")
    view = package.tensor(own, f"{BIG}?slice=3:8, 1#big")
    own.close()
    tally.equal((maps(BIG), descriptors() <= before), (2, True), "two arrays are two mappings, and no descriptor")
    part = array[5]
    del array
    gc.collect()
    tally.equal((maps(BIG), bool((part == FLOATS[5]).all())), (2, True), "a part of an array holds its mapping")
    del part, view
    gc.collect()
    tally.equal(maps(BIG), 0, "no array is left, and no mapping")
    small = package.tensor(db, f"{BIG}#small")
    tally.equal((maps(BIG), small.tolist()), (0, [1, 2, 3]), "few bytes are copied")
    db.execute("SELECT safetensors_config('io', 'pread')")
    try:
        array = package.tensor(db, f"{BIG}#big")
        tally.equal((maps(BIG), bool((array == FLOATS).all()), array.flags.writeable), (0, True, False), "io is pread")
    finally:
        db.execute("SELECT safetensors_config('io', 'map')")


def test_lasting():
    """What happens to the file afterwards."""
    path = making.file(f"{ROOT}/lasting.safetensors", {"x": ("F32", [LARGE], FLOATS.tobytes())})
    array = package.tensor(db, f"{path}#x")
    making.file(f"{ROOT}/other.safetensors", {"x": ("F32", [LARGE], bytes(4 * LARGE))})
    os.replace(f"{ROOT}/other.safetensors", path)
    tally.check((array == FLOATS.ravel()).all(), "a file that is replaced: the array is of the old one")
    tally.check(not package.tensor(db, f"{path}#x").any(), "and the next array of the new one")
    os.remove(path)
    tally.check((array == FLOATS.ravel()).all(), "a file that is deleted")
    kind, text = error(package.tensor, db, f"{path}#x")
    tally.check(kind == "OperationalError" and path in text, "the file is not there", kind, text)
    tally.equal(error(array.setflags, write=True)[0], "ValueError", "an array cannot be made writable")


def test_replacing():
    """Files of two layouts replace each other meanwhile: each array is of one of them."""
    path, ended = f"{ROOT}/replaced.safetensors", threading.Event()
    kinds = [{"x": ("U8", [70_000], b"\1" * 70_000), "y": b"\2" * 70_000},
             {"y": b"\2" * 70_001, "more": b"\3" * 10, "x": ("U8", [70_000], b"\1" * 70_000)}]
    making.file(path, kinds[0])

    def replace():
        while not ended.is_set():
            for kind in kinds:
                os.replace(making.file(path + ".new", kind), path)

    thread = threading.Thread(target=replace)
    thread.start()
    good = 0
    for _ in range(300):
        kind, text = error(lambda: tally.check(bool((package.tensor(db, f"{path}#x") == 1).all()), "bytes of another tensor"))
        good += kind == "none"
        tally.check(kind in ("none", "OperationalError"), "a file that is replaced", kind, text)
    ended.set()
    thread.join()
    tally.check(good > 0, "arrays of a file that is replaced")


def test_paths():
    names = ["plain", "a%41b", "50%", "what?#", "[x]", "é", "a%25E9"]
    for name in names:
        path = making.file(f"{ROOT}/paths/{name}.safetensors", {"x": name.encode() * 20_000, "a#b?c": b"\5"})
        ref, odd = db.execute("SELECT tensor_ref(?1, 'x'), tensor_ref(?1, 'a#b?c')", [path]).fetchone()
        tally.equal((package.tensor(db, ref).tobytes(), package.tensor(db, odd).tolist()), (name.encode() * 20_000, [5]), ref)
    folder = os.fsencode(f"{ROOT}/bytes")
    os.mkdir(folder)
    for number, name in enumerate((b"caf\xe9.safetensors", b"caf%E9.safetensors", b"caf%25E9.safetensors", b"%\xff%80.safetensors")):
        with open(making.file(f"{ROOT}/one.safetensors", {"x": bytes([number]) * 100_000}), "rb") as source, \
                open(os.path.join(folder, name), "wb") as out:
            out.write(source.read())
    refs = db.execute("SELECT ref, tensor_item(ref, 0) FROM safetensors_tensors(?)", [f"{ROOT}/bytes"]).fetchall()
    tally.equal(sorted(number for _, number in refs), [0, 1, 2, 3], "paths that are not UTF-8")
    for ref, number in refs:
        parsed = stored._parsed(ref)
        tally.check(stored._opened(db, parsed) is not None, f"{ref} is found in its file")
        tally.equal(package.tensor(db, ref).tobytes(), bytes([number]) * 100_000, f"the bytes of {ref}")
    folder = os.getcwd()
    os.chdir(ROOT)
    tally.equal(package.tensor(db, "big.safetensors#small").tolist(), [1, 2, 3], "a relative path")
    os.chdir(folder)


def test_models():
    index = making.model(f"{ROOT}/model", {"model-00001-of-00002.safetensors": {"a": b"\1" * 70_000},
                                           "model-00002-of-00002.safetensors": {"b": b"\2" * 70_000}})
    for path in (index, f"{ROOT}/model"):
        tally.equal(package.tensor(db, f"{path}#b").tobytes(), b"\2" * 70_000, f"a tensor of {os.path.basename(path)}")
    repository = f"{ROOT}/hub/models--org--name"
    making.file(f"{repository}/blobs/digest", {"x": b"\6" * 70_000})
    os.makedirs(f"{repository}/snapshots/commit")
    os.makedirs(f"{repository}/refs")
    with open(f"{repository}/refs/main", "w", encoding="utf-8") as file:
        file.write("commit")
    os.symlink("../../blobs/digest", f"{repository}/snapshots/commit/model.safetensors")
    os.environ["HF_HUB_CACHE"] = f"{ROOT}/hub"
    hub = package.connect()
    array = package.tensor(hub, "hf://org/name#x")
    tally.equal((array.tobytes(), maps(f"{repository}/blobs/digest")), (b"\6" * 70_000, 1), "a tensor of the hub's cache")
    del os.environ["HF_HUB_CACHE"]


def test_odd_files():
    path = f"{ROOT}/unaligned.safetensors"  # with a header of an odd length
    header = b'{"x":{"dtype":"F32","shape":[20000],"data_offsets":[0,80000]}}'
    header += b" " * (1 - len(header) % 2)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + FLOATS.tobytes()[:80_000])
    array = package.tensor(db, f"{path}#x")
    tally.equal((array.flags.aligned, array.tobytes(), maps(path)), (True, FLOATS.tobytes()[:80_000], 0), "unaligned bytes")
    tally.equal(package.tensor(db, f"{path}?slice=::100#x").tobytes(), FLOATS.ravel()[:20_000:100].tobytes(), "a slice of them")
    empty = making.file(f"{ROOT}/empty.safetensors", {"x": ("F32", [0, 3], b""), "y": ("F32", [], struct.pack("<f", 2.5))})
    tally.equal(package.tensor(db, f"{empty}#x").shape, (0, 3), "a tensor without elements")
    tally.equal((package.tensor(db, f"{empty}#y").shape, float(package.tensor(db, f"{empty}#y"))), ((), 2.5), "a scalar")
    packed = making.file(f"{ROOT}/packed.safetensors", {"x": ("F4", [2, 3], b"\1\2\3"), "y": ("F6_E2M3", [4, 2], b"123456")})
    tally.equal((package.tensor(db, f"{packed}#x").tolist(), package.tensor(db, f"{packed}#y").shape), ([1, 2, 3], (6,)),
                "rows that share bytes")
    with open(BIG, "rb") as source, open(f"{ROOT}/damaged.safetensors", "wb") as out:
        out.write(source.read()[:-1])
    name = "big" if making.tensors_of(BIG).get("big") else "small"
    array = package.tensor(db, f"{ROOT}/damaged.safetensors?damaged=1#{name}")
    tally.check((array == FLOATS).all(), "a tensor of a damaged file")


def test_wrong_arguments():
    for ref, kind, part in ((7, "TypeError", "expected a ref, which is a str, found int"), ("model", "OperationalError", "PATH#NAME"),
                            (f"{BIG}#bog", "OperationalError", "bog"), (f"{ROOT}/none.safetensors#x", "OperationalError", "none")):
        got = error(package.tensor, db, ref)
        tally.check(got[0] == kind and part in got[1], f"tensor() of {ref!r}", *got)
    closed = package.connect()
    closed.close()
    tally.equal(error(package.tensor, closed, f"{BIG}#big"),
                ("ProgrammingError", "Cannot operate on a closed database."), "a closed connection")
    other = []
    thread = threading.Thread(target=lambda: other.append(error(package.tensor, db, f"{BIG}#big")[0]))
    thread.start()
    thread.join()
    tally.equal(other, ["ProgrammingError"], "a connection of another thread")
    odd = package.connect()
    odd.row_factory = lambda cursor, row: None
    tally.equal(package.tensor(odd, f"{BIG}#small").tolist(), [1, 2, 3], "whatever the connection makes of rows")


def test_fork():
    array = package.tensor(db, f"{BIG}#big")
    child = os.fork()
    if child == 0:
        same = bool((array == FLOATS).all())
        del array
        own = package.connect()
        os._exit(0 if same and (package.tensor(own, f"{BIG}#big") == FLOATS).all() else 1)
    tally.equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, "arrays in a fork")
    tally.check((array == FLOATS).all(), "and in this process afterwards")


def stand_in():
    """What torch() needs of PyTorch, made of NumPy."""
    def frombuffer(buffer, dtype):
        return numpy.frombuffer(buffer, dtype)

    made = types.ModuleType("torch")
    made.frombuffer, made.empty = frombuffer, lambda shape, dtype: numpy.empty(shape, dtype)
    for name in NATIVE.values():
        setattr(made, name, numpy.dtype(name))
    return made


def test_torch():
    try:
        framework = importlib.import_module("torch")
    except ModuleNotFoundError:
        kind, text = error(package.torch, db, f"{BIG}#big")
        tally.equal((kind, text), ("ModuleNotFoundError", "torch() needs the package torch"), "PyTorch is not installed")
        framework = sys.modules["torch"] = stand_in()
        kind, text = error(package.torch, db, f"{EVERY}#BF16")
        tally.check(kind == "TypeError" and text.startswith("this PyTorch has no BF16"), "a dtype that PyTorch lacks", text)
    contents = making.tensors_of(EVERY)
    for dtype in (name for name in {**NATIVE, **OTHERS} if hasattr(framework, {**NATIVE, **OTHERS}[name])):
        tensor = package.torch(db, f"{EVERY}#{dtype}")
        plain = tensor if isinstance(tensor, numpy.ndarray) else tensor.view(framework.uint8).numpy()
        tally.equal((tensor.dtype, plain.tobytes()), (getattr(framework, {**NATIVE, **OTHERS}[dtype]), contents[dtype][2]),
                    f"torch() of {dtype}")
    tensor = package.torch(db, f"{BIG}#big")
    tally.equal(maps(BIG), 1, "torch() maps")
    tensor[0] = 7
    again = package.torch(db, f"{BIG}#big")
    tally.equal((float(tensor[0, 0, 1]), float(again[0, 0, 1])), (7, 1), "what is written to a tensor is its own")
    tally.check((package.tensor(db, f"{BIG}#big") == FLOATS).all(), "and does not reach the file")
    part = package.torch(db, f"{BIG}?slice=1:3, 2#big")
    tally.equal((tuple(part.shape), float(part[1, 5])), ((2, 256), float(FLOATS[2, 2, 5])), "torch() of a slice")
    tally.equal(tuple(package.torch(db, f"{ROOT}/empty.safetensors#x").shape), (0, 3), "torch() of nothing")
    tensor = package.torch(db, f"{BIG}#small", "F32")
    tensor[0] = 9
    tally.equal([float(value) for value in tensor], [9, 2, 3], "torch() with a dtype")


tally.run(globals(), ROOT)
