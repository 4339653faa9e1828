"""What the protocol costs beside the search in it, on a made-up set of OLGA's size; prints, asserts no times."""

import resource
import statistics
import sys
import time

import faiss
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from core.truth import Relevance
from evaluation.conditions import Condition
from evaluation.protocol import System, evaluate
from index.ann import tie_order

N, WIDTH, K, LINKS, ROUNDS, THREADS, REPEATS = 17_646, 200, 200, 100_000, 1000, 2, 3


def made_set():
    """Clustered unit vectors, a tenth of them doubles of others, and links mostly inside of clusters."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 300, N)
    vectors = rng.standard_normal((300, WIDTH), np.float32)[cluster] + 1.2 * rng.standard_normal((N, WIDTH), np.float32)
    doubles = rng.choice(N, N // 10, replace=False)
    vectors[doubles] = vectors[rng.integers(0, N, len(doubles))]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    by_cluster = np.argsort(cluster, kind="stable")
    a = rng.integers(0, N, LINKS // 2)
    near = by_cluster[np.clip(np.argsort(by_cluster)[a] + rng.integers(-40, 41, len(a)), 0, N - 1)]
    b = np.where(rng.random(len(a)) < 0.7, near, rng.integers(0, N, len(a)))
    keys = np.unique(np.concatenate([a * N + b, b * N + a])[np.tile(a != b, 2)])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(keys // N, minlength=N))]).astype(np.int64)
    return vectors, Relevance(indptr, (keys % N).astype(np.int32), 0)


def seconds(act):
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


@pytest.mark.bench
def test_the_whole_protocol_beside_its_search(capsys):
    vectors, relevance = made_set()
    system = System("made", vectors, vectors, np.ones(N, bool))
    condition = Condition("raw", np.arange(N, dtype=np.int32))
    order = tie_order([f"artist {row}" for row in range(N)], 0)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(vectors)

    def search():
        with threadpool_limits(THREADS):
            index.search(vectors, K)

    def protocol():
        evaluate(system, condition, relevance, order, k=K, rounds=ROUNDS, threads=THREADS)

    pairs = [(seconds(search), seconds(protocol)) for _ in range(REPEATS)]
    lines = [f"search {one:.2f} s, evaluate {all_:.2f} s, ratio {all_ / one:.2f}" for one, all_ in pairs]
    one, all_ = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(all_ / one for one, all_ in pairs)
    lines.append(f"medians: search {one:.2f} s, evaluate {all_:.2f} s, ratio of pairs {ratio:.2f} (wanted: at most 2)")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines.append(f"peak memory of the process {peak_mib:.0f} MiB (wanted: at most 1536)")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
