"""The words of the synthetic world: ids, UUIDs, pronounceable names with homonyms and accents, genre words and tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.training.datasets.synthetic_world import Tree

Codes = NDArray[np.int64]

ACCENTED_SHARE = 0.08
HOMONYM_SHARE = 0.02
SECOND_NAME_SHARE = 0.05
NO_MBID_SHARE = 0.15

MOOD_AXES = 5
SPELLINGS = 4
"""Number of ways to write a genre: its name, hyphenated, in one word, and a synonym."""

_ONSETS = pa.array([*"bdfhjklmnrstvw", "br", "ch", "dr", "fl", "kl", "pl", "pr", "st", "tr"])
_VOWELS = pa.array([*"aeiou"])
_ACCENTED = pa.array([*"áàåãéèêëíìîïóöøôúüùû"])
_STYLES = len(_ACCENTED) // len(_VOWELS)
_ENDINGS = pa.array(["", "n", "r", "l", "m", "sk", "la", "ra", "no", "ki", "mer", "den", "lin"])

_FORM_SHARES = (0.2, 0.45, 0.15, 0.08, 0.05, 0.07)
_BEFORE = pa.array(["", "", "The ", "", "DJ ", ""])
_BETWEEN = pa.array(["", " ", "", " & the ", "", " "])
_AFTER = pa.array(["", "", "s", "s", "", ""])
_SECOND_IS_NAME = np.array([False, True, False, True, False, False])
_SECOND_IS_GROUP = np.array([False, False, False, False, False, True])
_GROUPS = pa.array(["Collective", "Ensemble", "Orchestra", "Quartet", "Sisters", "Trio"])

_FAMILIES = (
    "rock punk grunge surf, house garage breakbeat disco, jazz swing bop ragtime, folk ballads bluegrass americana, "
    "metal doom thrash hardcore, reggae ska dub dancehall, soul funk gospel motown, rap trap grime beats, pop "
    "synthpop bubblegum chanson, techno trance acid electro, blues boogie skiffle country, classical baroque choral "
    "minimalism"
)
_GENRES = [family.split() for family in _FAMILIES.split(", ")]
_ADJECTIVES = (
    "dream nordic desert neon velvet coastal space dark bright gothic baltic tropical arctic garden midnight electric "
    "broken slow heavy liquid crystal urban rural northern southern eastern western island river mountain forest city "
    "winter summer autumn spring golden silver iron glass paper wooden lunar solar ambient progressive psychedelic "
    "industrial minimal maximal chamber freak indie post proto retro"
)
_MOODS = (
    (("melancholic", "sad"), ("uplifting", "happy")),
    (("lo-fi", "raw"), ("polished", "lush")),
    (("slow", "downtempo"), ("fast", "uptempo")),
    (("acoustic", "unplugged"), ("electronic", "synth")),
    (("mellow", "chill"), ("aggressive", "loud")),
)
_GENERAL = (
    "seen live, favourites, favorites, awesome, check out, love, albums i own, best of, live, cover, instrumental, "
    "female vocalists, male vocalists, singer-songwriter, under 2000 listeners, underrated, guilty pleasure, driving, "
    "party, work"
)


@dataclass(frozen=True)
class TagWords:
    """All tags, and their positions by kind.

    Attributes:
        texts: the tags, distinct.
        genres: (nodes, SPELLINGS) int64 into texts; nodes are the tree's leaves, then subgenres, then top genres.
        moods: (MOOD_AXES, 2 poles, 2 synonyms) int64 into texts.
        general: int64 into texts, tags without information about the music.
        rare: (leaves, r) int64 into texts, tags of local scenes within a leaf.
    """

    texts: pa.StringArray
    genres: Codes
    moods: Codes
    general: Codes
    rare: Codes


def numbered(letter: str, numbers: NDArray[np.integer]) -> pa.StringArray:
    """Format ids such as a0000042: `letter` and seven digits, for (m,) numbers from 0 to 9,999,999."""
    powers = 10 ** np.arange(6, -1, -1)
    text = np.empty((len(numbers), 8), np.uint8)
    text[:, 0] = ord(letter)
    text[:, 1:] = numbers[:, None] // powers % 10 + ord("0")
    return _strings(text)


def uuids(rng: np.random.Generator, m: int) -> pa.StringArray:
    """Draw m random UUIDs (version 4, RFC 9562)."""
    octets = rng.integers(0, 256, (m, 16), dtype=np.uint8)
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    hexadecimal = digits[np.stack([octets >> 4, octets & 0x0F], axis=2).reshape(m, 32)]
    text = np.full((m, 36), ord("-"), np.uint8)
    text[:, np.delete(np.arange(36), [8, 13, 18, 23])] = hexadecimal
    return _strings(text)


def artist_names(rng: np.random.Generator, m: int) -> tuple[pa.StringArray, pa.ListArray]:
    """Draw m names and their aliases (list of texts, null for an artist without aliases); m is at least 2.

    An accented name has its plain spelling as an alias. A homonym has the name and aliases of another of the m.
    """
    form = rng.choice(len(_FORM_SHARES), m, p=_FORM_SHARES)
    accented = _some(rng, m, ACCENTED_SHARE)
    first, first_plain = _words(rng, m, accented)
    second, _ = _words(rng, m)
    group = _any_of(rng, _GROUPS, m)
    second = pc.if_else(_SECOND_IS_NAME[form], second, pc.if_else(_SECOND_IS_GROUP[form], group, ""))
    around = [part.take(pa.array(form)) for part in (_BEFORE, _BETWEEN, _AFTER)]
    names, plain = (_join(around[0], word, around[1], second, around[2]) for word in (first, first_plain))
    second_name = _some(rng, m, SECOND_NAME_SHARE)
    aliases = _lists([plain, _words(rng, m)[0]], np.stack([accented, second_name], axis=1))
    order, count = rng.permutation(m), max(1, round(HOMONYM_SHARE * m))
    source = np.arange(m)
    source[order[:count]] = order[count : 2 * count]
    return names.take(pa.array(source)), aliases.take(pa.array(source))


def tag_words(rng: np.random.Generator, tree: Tree, rare_per_leaf: int) -> TagWords:
    """Name every genre of the tree, and make all other tags."""
    genres = _genre_spellings(rng, tree)
    general = _GENERAL.split(", ")
    moods = [word for axis in _MOODS for pole in axis for word in pole]
    count = tree.leaves * rare_per_leaf
    rare = pc.utf8_lower(_join(_words(rng, count)[0], pa.repeat(" ", count), _words(rng, count)[0])).to_pylist()
    texts, codes = np.unique(np.array([*genres, *moods, *general, *rare]), return_inverse=True)
    ends = np.cumsum([len(genres), len(moods), len(general)])
    parts = np.split(codes.astype(np.int64), ends)
    return TagWords(
        texts=pa.array(texts.tolist(), pa.string()),
        genres=parts[0].reshape(-1, SPELLINGS),
        moods=parts[1].reshape(MOOD_AXES, 2, 2),
        general=parts[2],
        rare=parts[3].reshape(tree.leaves, rare_per_leaf),
    )


def genre_names(tree: Tree) -> list[str]:
    """Return the names of the top genres, in the tree's order."""
    return [nouns[0] for nouns in _GENRES[: tree.tops]]


def _genre_spellings(rng: np.random.Generator, tree: Tree) -> list[str]:
    """Return SPELLINGS texts a leaf, subgenre and top genre; every name is one adjective and one noun of its top."""
    adjectives = _ADJECTIVES.split()
    free = [rng.permutation([f"{a} {noun}" for a in adjectives for noun in nouns]).tolist() for nouns in _GENRES]
    texts: list[str] = []
    for top in [*tree.top_of_leaf().tolist(), *tree.top_of_sub.tolist()]:
        name, synonym = free[top].pop(), free[top].pop()
        texts += [name, name.replace(" ", "-"), name.replace(" ", ""), synonym]
    for name in genre_names(tree):
        texts += [name, name, f"{name} music", f"{name} music"]
    return texts


def _words(
    rng: np.random.Generator, m: int, accented: NDArray[np.bool_] | None = None
) -> tuple[pa.StringArray, pa.StringArray]:
    """Draw m capitalised words of 2 or 3 syllables, the first vowel accented on demand; and all without accents."""
    vowel, style = rng.integers(0, len(_VOWELS), m), rng.integers(0, _STYLES, m)
    plain = _VOWELS.take(pa.array(vowel))
    marked = plain
    if accented is not None:
        marked = pc.if_else(accented, _ACCENTED.take(pa.array(vowel * _STYLES + style)), plain)
    before = _any_of(rng, _ONSETS, m)
    rest = _join(_any_of(rng, _ONSETS, m), _any_of(rng, _VOWELS, m), _any_of(rng, _ENDINGS, m))
    return pc.utf8_capitalize(_join(before, marked, rest)), pc.utf8_capitalize(_join(before, plain, rest))


def _any_of(rng: np.random.Generator, words: pa.StringArray, m: int) -> pa.StringArray:
    return words.take(pa.array(rng.integers(0, len(words), m)))


def _some(rng: np.random.Generator, m: int, share: float) -> NDArray[np.bool_]:
    """Draw (m,) bool, true for `share` of the m, but at least for one."""
    chosen = np.zeros(m, np.bool_)
    chosen[rng.permutation(m)[: max(1, round(share * m))]] = True
    return chosen


def _lists(columns: list[pa.StringArray], present: NDArray[np.bool_]) -> pa.ListArray:
    """List in row i columns[j][i] for each j with present[i, j]; null for an empty row."""
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    row, column = np.nonzero(present)
    values = pa.concat_arrays(columns).take(pa.array(column * len(present) + row))
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(~present.any(axis=1)))


def _join(*parts: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise(*parts, "")


def _strings(text: NDArray[np.uint8]) -> pa.StringArray:
    """Convert (m, width) ASCII codes to m strings."""
    m, width = text.shape
    offsets = np.arange(m + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(m, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))
