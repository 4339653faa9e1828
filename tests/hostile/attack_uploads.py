"""Attacks by uploaded ground truths: small files that need much memory."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from tests.hostile.connections import at_once, exchange, upload
from tests.hostile.registry import Answers, Target, attack

UPLOAD_S = 60.0


def stored(**arrays: np.ndarray) -> bytes:
    """Make an .npz file of arrays."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def parquet(**columns: pa.Array) -> bytes:
    """Make a Parquet file of columns."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue()


async def bring(target: Target, name: str, content: bytes, *, times: int = 1, ids: bytes = b"a\nb\n") -> Answers:
    """Upload a file, several times at once."""
    more = (("ids", "ids.txt", ids),) if name.endswith(".npz") else ()
    payload = upload(target, name, content, *more)
    return await at_once(exchange(target, payload, limit_s=UPLOAD_S) for _ in range(times))


@attack
async def matrix_of_few_diagonals(target: Target) -> Answers:
    """Upload small matrices by diagonals: of 2**31 rows, and of ten thousand diagonals."""
    n = 2**31 - 1
    tall = stored(format=np.array(b"dia"), shape=np.array([n, n]), data=np.ones((1, 1)), offsets=np.array([0]))
    offsets = np.arange(10_000)
    wide = stored(
        format=np.array(b"dia"),
        shape=np.array([20_000, 20_000]),
        data=np.broadcast_to(np.int8(1), (10_000, 10_000)),
        offsets=offsets,
    )
    return await bring(target, "tall.npz", tall) + await bring(target, "wide.npz", wide)


@attack
async def matrix_of_many_rows(target: Target) -> Answers:
    """Upload a small matrix by rows whose shape claims to be far larger than its arrays, and one of large blocks."""
    n = 2**31 - 1
    narrow = stored(
        format=np.array(b"coo"), shape=np.array([n, n]), row=np.array([0]), col=np.array([n - 1]), data=np.array([1.0])
    )
    dense = io.BytesIO()
    scipy.sparse.save_npz(dense, scipy.sparse.csr_array(np.ones((4000, 4000), np.int8)))
    return await bring(target, "narrow.npz", narrow) + await bring(target, "dense.npz", dense.getvalue())


@attack
async def zip_bomb(target: Target) -> Answers:
    """Upload .npz files whose members unpack to far more than they claim, or to more than is allowed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data.npy", "w") as member:
        size = target.sized(1 << 30, 1 << 28)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|i1", "fortran_order": False, "shape": (size,)})
        member.write(header.getvalue())
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    content = packed.getvalue()
    central = content.rindex(b"PK\x01\x02")
    lying = bytearray(content)
    lying[central + 24 : central + 28] = struct.pack("<I", 1000)
    return await bring(target, "bomb.npz", content) + await bring(target, "lying.npz", bytes(lying))


@attack
async def parquet_with_a_false_footer(target: Target) -> Answers:
    """Upload Parquet files whose footer is wrong: in its length, and in every one of its bytes in turn."""
    right = parquet(artist_id=pa.array(["a", "b"] * 50), similar_id=pa.array(["b", "c"] * 50))
    length = int.from_bytes(right[-8:-4], "little")
    answers = Counter[str]()
    for claimed in (0, length + 1, len(right), 2**31 - 1, 2**32 - 1):
        answers += await bring(target, "length.parquet", right[:-8] + struct.pack("<I", claimed) + b"PAR1")
    start = len(right) - 8 - length
    for place in range(start, len(right) - 8, target.sized(4, 40)):
        for value in (0x7F, 0xFF):
            damaged = bytearray(right)
            damaged[place] = value
            answers += await bring(target, "footer.parquet", bytes(damaged))
    return answers


@attack
async def parquet_that_unpacks(target: Target) -> Answers:
    """Upload Parquet files that are small and unpack to much: one long id a million times, and one id of 60 MB."""
    n = target.sized(5_000_000, 500_000)
    long_ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 900]))
    repeated = parquet(artist_id=long_ids, similar_id=long_ids)
    huge = pa.array(["x" * target.sized(60_000_000, 6_000_000)])
    return await bring(target, "repeated.parquet", repeated, times=4) + await bring(
        target, "huge.parquet", parquet(artist_id=huge, similar_id=huge), times=4
    )


@attack
async def csv_of_one_field(target: Target) -> Answers:
    """Upload tables of text: one field of 60 MB, a quote that is never closed, and four million short rows."""
    n = target.sized(60_000_000, 6_000_000)
    row = b"artist_id,similar_id\n"
    pairs = b"".join(b"%d,%d\n" % (i, i + 1) for i in range(n // 15))
    answers = await bring(target, "field.csv", row + b"x" * n)
    answers += await bring(target, "quote.csv", row + b'"' + b"x,y\n" * (n // 4))
    return answers + await bring(target, "rows.csv", row + pairs, times=2)
