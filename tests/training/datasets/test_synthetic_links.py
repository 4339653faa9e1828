import numpy as np
import pyarrow.parquet
import pytest

from riyl.training.datasets.synthetic import generate
from riyl.training.datasets.synthetic_links import draw_links
from riyl.training.datasets.synthetic_world import draw_world

N = 2000


def rows_of(folder, table):
    return pyarrow.parquet.read_table(folder / f"{table}.parquet").to_pylist()


def sets_of(folder, table, key, value):
    sets = {}
    for row in rows_of(folder, table):
        sets.setdefault(row[key], set()).add(row[value])
    return sets


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    generate(folder, artists=N, seed=3)
    return folder


@pytest.fixture(scope="module")
def similarity_pairs(catalog):
    return [(row["artist_id"], row["similar_id"]) for row in rows_of(catalog, "similar")]


@pytest.fixture(scope="module")
def world():
    return draw_world(N, np.random.SeedSequence(3))


@pytest.fixture(scope="module")
def world_links(world):
    return np.concatenate(list(draw_links(world, np.random.SeedSequence(4))))


def random_pairs(similarity_pairs):
    """Draw pairs of other artists, each artist as often as in the links."""
    right = np.random.default_rng(0).permutation([b for _, b in similarity_pairs]).tolist()
    return [(a, b) for (a, _), b in zip(similarity_pairs, right, strict=True) if a != b]


def mean_jaccard(sets, pairs):
    return np.mean([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs if a in sets and b in sets])


def normal(similarity):
    return (similarity - similarity.mean()) / similarity.std()


def cosines(matrix):
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit @ unit.T


def incidence(sets, artists):
    """Return each artist's terms, (n, terms), with a higher weight for rare ones."""
    terms = {term: column for column, term in enumerate(sorted(set().union(*(sets[a] for a in artists))))}
    matrix = np.zeros((len(artists), len(terms)))
    for row, artist in enumerate(artists):
        matrix[row, [terms[term] for term in sets[artist]]] = 1.0
    return matrix * np.log(len(artists) / matrix.sum(axis=0))


def test_links_stay_in_the_genre_far_oftener_than_chance(world, world_links):
    a, b = world_links.T
    other = np.random.default_rng(0).permutation(b)
    sub = world.tree.sub_of_leaf[world.leaf]
    assert np.mean(sub[a] == sub[b]) > 0.9
    assert np.mean(sub[a] == sub[other]) < 0.3
    assert np.mean(world.leaf[a] == world.leaf[b]) > 5 * np.mean(world.leaf[a] == world.leaf[other])


def test_links_are_near_but_not_just_the_nearest(world, world_links):
    places = world.places(np.arange(N))
    listed = np.flatnonzero(world.listed)
    linked = np.zeros((N, N), np.bool_)
    linked[tuple(world_links.T)] = linked[tuple(world_links.T[::-1])] = True
    hits = []
    for row in listed:
        distances = np.linalg.norm(places[listed] - places[row], axis=1)
        hits.append(linked[row, listed[np.argsort(distances)[1:6]]].mean())
    assert 0.2 < np.mean(hits) < 0.8


def test_links_join_listed_artists_only_and_each_has_one(world, world_links):
    assert world.listed.sum() == N // 2
    assert world.listed[world_links].all()
    assert len(np.unique(world_links)) >= 0.99 * world.listed.sum()


def test_linked_artists_share_tags(catalog, similarity_pairs):
    tags = sets_of(catalog, "tags", "artist_id", "tag")
    assert mean_jaccard(tags, similarity_pairs) > 3 * mean_jaccard(tags, random_pairs(similarity_pairs))


def test_linked_artists_share_listeners(catalog, similarity_pairs):
    listeners = sets_of(catalog, "plays", "artist_id", "user_id")
    assert mean_jaccard(listeners, similarity_pairs) > 3 * mean_jaccard(listeners, random_pairs(similarity_pairs))


def test_audio_is_weak_cf_medium_tags_strong_and_all_together_best(catalog, similarity_pairs):
    tags, listeners = sets_of(catalog, "tags", "artist_id", "tag"), sets_of(catalog, "plays", "artist_id", "user_id")
    artists = sorted(tags.keys() & listeners.keys() & {a for pair in similarity_pairs for a in pair})
    row_of = {artist: row for row, artist in enumerate(artists)}
    linked = np.zeros((len(artists), len(artists)), np.bool_)
    for a, b in similarity_pairs:
        if a in row_of and b in row_of:
            linked[row_of[a], row_of[b]] = linked[row_of[b], row_of[a]] = True
    sounds = {artist: [] for artist in artists}
    for row in rows_of(catalog, "audio"):
        if row["artist_id"] in sounds:
            sounds[row["artist_id"]].append(row["vector"])
    audio = np.array([np.mean(sounds[artist], axis=0) for artist in artists])
    by = {
        "audio": normal(cosines((audio - audio.mean(axis=0)) / audio.std(axis=0))),
        "cf": normal(cosines(incidence(listeners, artists))),
        "tags": normal(cosines(incidence(tags, artists))),
    }
    by["all"] = 0.5 * by["audio"] + by["cf"] + by["tags"]
    hits = {}
    for name, similarity in by.items():
        np.fill_diagonal(similarity, -np.inf)
        hits[name] = np.take_along_axis(linked, np.argsort(-similarity, axis=1)[:, :10], axis=1).mean()
    assert 3 * linked.mean() < hits["audio"]
    assert 1.3 * hits["audio"] < hits["cf"] < hits["tags"]
    assert 1.1 * hits["tags"] < hits["all"]
