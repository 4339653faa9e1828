"""Cost of the protocol on made-up sets, beside its own search, scikit-learn and ranx; and its memory.

Times are only compared inside a run, pair by pair. RIYL_BENCH_LARGE=1 adds 200,000 artists, some 16 Tflop of search.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import faiss
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from riyl.core.ranking_metrics import LIST_METRICS, ndcg
from riyl.core.storage.ground_truth import Relevance
from riyl.evaluation.conditions import Condition
from riyl.evaluation.protocol import Setup, evaluate
from riyl.evaluation.retrieval import System, judge, retrieve
from riyl.index.scoring.tie_breaking import tie_break_rank
from tests.benchmarks.conftest import SMALL, sized
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.bench

OLGA, WIDTH, K, LINKS, THREADS = 17_646, 200, 200, 100_000, 2
N, ROUNDS, REPEATS = sized((OLGA, 1000, 3), (1_000, 20, 1))
LARGE = sized(200_000, 2_000)
DENSE_QUERIES = sized(400, 200)
"""Number of queries whose dense scores scikit-learn gets at once; those of all queries would take 5 GB there."""

EVALUATE = "from tests.benchmarks.bench_evaluation import print_evaluated; print_evaluated({n})"
RANX = {"ndcg": "ndcg@200", "precision": "precision@200", "recall": "recall@200", "r_precision": "r-precision"}


def made_set(n):
    """Draw clustered unit vectors, a tenth of them copies of others, and links mostly inside of clusters."""
    rng = np.random.default_rng(0)
    clusters, links = 300 * n // OLGA, LINKS * n // OLGA
    cluster = rng.integers(0, clusters, n)
    vectors = rng.standard_normal((clusters, WIDTH), np.float32)[cluster]
    vectors += 1.2 * rng.standard_normal((n, WIDTH), np.float32)
    doubles = rng.choice(n, n // 10, replace=False)
    vectors[doubles] = vectors[rng.integers(0, n, len(doubles))]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    by_cluster = np.argsort(cluster, kind="stable")
    a = rng.integers(0, n, links // 2)
    near = by_cluster[np.clip(np.argsort(by_cluster)[a] + rng.integers(-40, 41, len(a)), 0, n - 1)]
    b = np.where(rng.random(len(a)) < 0.7, near, rng.integers(0, n, len(a)))
    keys = np.unique(np.concatenate([a * n + b, b * n + a])[np.tile(a != b, 2)])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(keys // n, minlength=n))]).astype(np.int64)
    return vectors, Relevance(indptr, (keys % n).astype(np.int32), 0)


class Scene:
    """The protocol over a made-up set."""

    def __init__(self, n):
        self.vectors, self.relevance = made_set(n)
        self.system = System("made", self.vectors, self.vectors, np.ones(n, bool))
        self.condition = Condition("raw", np.arange(n, dtype=np.int32))
        self.order = tie_break_rank([f"artist {row}" for row in range(n)], 0)

    def evaluate(self):
        setup = Setup(self.relevance, self.order, k=K, rounds=ROUNDS, threads=THREADS)
        return evaluate(self.system, self.condition, setup)

    def lists(self):
        return retrieve(self.system, self.condition, self.order, k=K, threads=THREADS)

    def judged(self, lists):
        return judge(lists, self.condition, self.relevance)


def seconds(act):
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def print_evaluated(n):
    """Evaluate in this process; print the seconds and the peak memory in MiB, including vectors and ground truth."""
    scene = Scene(n)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far was that of making the set
    took = seconds(scene.evaluate)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    print(f"{took:.1f} {peak:.0f}")


def evaluated(n):
    """Return seconds and MiB of `print_evaluated` in a process of its own."""
    command = [sys.executable, "-c", EVALUATE.format(n=n)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return map(float, done.stdout.split())


def report_ratios(report, name, ours, theirs, pairs, wanted):
    """Report a line for each pair of seconds, and one for the median of their ratios."""
    for a, b in pairs:
        report(f"{name}: {ours} {a:.2f} s, {theirs} {b:.2f} s, {theirs} by {ours} {b / a:.2f}")
    ratio = statistics.median(b / a for a, b in pairs)
    report(f"{name}: median {ratio:.2f} (wanted: {wanted})", **{f"{name}, ratio": ratio})


@pytest.fixture(scope="module")
def scene():
    return Scene(N)


def test_the_whole_protocol_beside_its_search(scene, report):
    index = faiss.IndexFlatIP(WIDTH)
    index.add(scene.vectors)

    def search():
        with threadpool_limits(THREADS):
            index.search(scene.vectors, K)

    pairs = [(seconds(search), seconds(scene.evaluate)) for _ in range(REPEATS)]
    took, peak = evaluated(N)
    report_ratios(report, f"all metrics, {ROUNDS:,} rounds", "search alone", "evaluate", pairs, "at most 2")
    report(
        f"peak memory of the protocol in a process of its own: {peak:.0f} MiB in {took:.1f} s (wanted: at most 1536)",
        peak_mib=peak,
        whole_s=took,
    )


def test_ndcg_beside_scikit_learn(scene, report):
    """Compare with scikit-learn, which starts from dense scores: our time includes the search, theirs no product."""
    from sklearn.metrics import ndcg_score

    chosen = np.random.default_rng(1).choice(scene.judged(scene.lists()).query_rows, DENSE_QUERIES, replace=False)
    scores = scene.vectors[chosen] @ scene.vectors.T  # (q, n)
    scores[np.arange(len(chosen)), chosen] = -2  # the artist itself comes last
    relevant = np.zeros(scores.shape, np.float32)
    for row, artist in enumerate(chosen):
        relevant[row, scene.relevance.columns[scene.relevance.indptr[artist] : scene.relevance.indptr[artist + 1]]] = 1

    def ours():
        judged = scene.judged(scene.lists())
        ndcg(judged.hits, judged.n_relevant)

    def whole(**options):
        """Return the seconds for all queries, extrapolated from those of the chosen ones."""
        took = seconds(lambda: ndcg_score(relevant, scores, k=K, **options))
        return took * len(scene.judged(lists).query_rows) / DENSE_QUERIES

    lists = scene.lists()
    judged = scene.judged(lists)
    at = np.searchsorted(judged.query_rows, chosen)
    mean = np.mean(ndcg(judged.hits[at], judged.n_relevant[at]))
    assert mean == pytest.approx(ndcg_score(relevant, scores, k=K), abs=1e-3)  # but for ties and last bits
    report(f"scikit-learn's seconds are those of {DENSE_QUERIES} queries, scaled to {len(judged.query_rows):,}")
    for name, options in (("ndcg_score", {}), ("ndcg_score, ignore_ties", {"ignore_ties": True})):
        pairs = [(seconds(ours), whole(**options)) for _ in range(REPEATS)]
        report_ratios(report, f"nDCG from vectors beside {name}", "ours", "theirs", pairs, "at least 10")


@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaTypeSafetyWarning")
def test_list_metrics_beside_ranx(scene, report):
    """Compare with ranx: both start from ready lists and a ready ground truth, and give four figures of every query."""
    import numba
    import ranx

    lists = scene.lists()
    judged = scene.judged(lists)
    queries = [f"{row:06d}" for row in judged.query_rows]  # ranx goes by the order of texts
    indptr, columns = scene.relevance.indptr, scene.relevance.columns.astype(str)
    truth = [columns[indptr[row] : indptr[row + 1]] for row in judged.query_rows]
    qrels = ranx.Qrels.from_dict(
        {q: dict.fromkeys(relevant.tolist(), 1) for q, relevant in zip(queries, truth, strict=True)}
    )
    names = lists.astype(str)[judged.query_rows].tolist()
    scores = list(range(K, 0, -1))
    ranked = {q: dict(zip(row, scores, strict=True)) for q, row in zip(queries, names, strict=True)}
    run = ranx.Run.from_dict(ranked)
    numba.set_num_threads(min(THREADS, numba.config.NUMBA_NUM_THREADS))

    def theirs():
        return ranx.evaluate(qrels, run, list(RANX.values()), return_mean=False)

    def ours():
        judged = scene.judged(lists)
        return {name: metric(judged.hits, judged.n_relevant) for name, metric in LIST_METRICS.items()}

    expected, actual = theirs(), ours()  # compiled by now
    for name, other in RANX.items():
        np.testing.assert_allclose(actual[name], expected[other], atol=1e-9)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(REPEATS)]
    report_ratios(report, "four metrics of ready lists beside ranx", "ours", "theirs", pairs, "at least 2")


@pytest.mark.skipif(
    not SMALL and "RIYL_BENCH_LARGE" not in os.environ, reason="takes many minutes; RIYL_BENCH_LARGE=1 runs it"
)
def test_many_artists_in_bounded_memory(report):
    took, peak = evaluated(LARGE)
    gibibytes = peak / 1024
    report(
        f"{LARGE:,} artists, {WIDTH} dimensions, {THREADS} threads: {took:.0f} s, peak {gibibytes:.2f} GiB",
        peak_gib=gibibytes,
        whole_s=took,
    )
