import numpy as np

from riyl.training.datasets.synthetic_names import numbered, tag_words
from riyl.training.datasets.synthetic_world import draw_world


def test_ids_are_a_letter_and_seven_digits():
    assert numbered("a", np.array([0, 42, 9_999_999])).to_pylist() == ["a0000000", "a0000042", "a9999999"]


def test_the_largest_world_has_a_name_for_every_genre():
    world = draw_world(1_000_000, np.random.SeedSequence(0))
    assert (world.tree.leaves, world.tree.subs, world.tree.tops) == (1000, 200, 12)
    words = tag_words(np.random.default_rng(0), world.tree, 1)
    assert words.genres.shape == (1212, 4)
    # A name and a synonym for each of 1200 leaves and subgenres, and 12 top genres with one synonym each.
    assert len(np.unique(words.genres[:, [0, 3]])) == 2 * 1212
