"""Normalised forms in which names are compared.

A name fits another one at the first of these levels at which they share a form; docs/queries.md has examples:

1. `same`: letter case, width and blanks are ignored.
2. `spellings`: accents, punctuation and typographic variants are ignored too.
3. `bare`: so are 'the' at the beginning or end, an article at the end, and 'and' between words.

Names that share a form at a level share one at the later levels.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

ARTICLES = frozenset(["the", "a", "an", "der", "die", "das", "el", "la", "los", "las", "le", "les", "il", "lo"])
"""Words that belong to the front where a name ends in them: 'Lobos, Los'. Only 'the' is left out."""

CONJUNCTIONS = frozenset(["and", "n", "e", "et", "und", "y"])
"""Words for '&' that are left out between other words, those of one letter only between longer words ('R.E.M.')."""

_WHOLE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")

_TYPOGRAPHIC = str.maketrans(
    {
        "×": "x",
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("’‘‛`′", "'"),
        **dict.fromkeys(map(chr, range(0x2B0, 0x300)), "'"),  # modifier letters, as in Hawaiian names
    }
)
_SELECTORS = re.compile("[\u034f\u180b-\u180f\u20dd-\u20e4\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that choose or enclose a glyph."""

_CLOSED = frozenset("'`.\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
"""Marks after which a word goes on as most people type it: apostrophes, full stops, invisible characters."""

_LETTER = r"[^\W\d_]"
_DOLLARS = re.compile(rf"(?<!\$)\$++(?={_LETTER})|(?<={_LETTER})\$++")  # time linear in any text
_EXCLAMATION = re.compile(rf"(?<={_LETTER})!(?={_LETTER})")

_CJK = "\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_CJK_GAP = re.compile(f"(?<=[{_CJK}]) (?=[{_CJK}])")
_CJK_EDGE = re.compile(f"(?<=[{_CJK}])(?=[^ {_CJK}])|(?<=[^ {_CJK}])(?=[{_CJK}])")

_GUESTS = re.compile(r"[\s(\[,](?:feat(?:uring)?\b|ft\b|with\b|w/).*", re.IGNORECASE | re.DOTALL)


def same(text: str) -> str:
    """Normalise a name for comparison: NFKC, case folded, single spaces, no control characters."""
    text = unicodedata.normalize("NFKC", text.encode(errors="replace").decode())
    return unicodedata.normalize("NFKC", " ".join(_CONTROL.sub(" ", text).casefold().split()))


def spellings(text: str) -> list[str]:
    """Return the spellings of a name without accents and punctuation, at least one unless `same` is empty.

    A mark between letters separates words or joins them: 'AC/DC' becomes 'ac dc' and 'acdc'. '$' beside a letter is
    also 's', '!' between letters also 'i'. Between CJK characters blanks are left out, between these and others one is
    put. A name without letters and digits keeps its marks, without blanks: '!!!'.
    """
    plain = _without_accents(text)
    if plain.replace(" ", "").isalnum():
        return [_spaced(plain)]
    spelled: dict[str, None] = {}
    stylised = _EXCLAMATION.sub("i", _DOLLARS.sub(lambda run: "s" * len(run[0]), plain))
    for written in dict.fromkeys([plain, stylised]):
        marks = frozenset(c for c in set(written) if not (c.isalnum() or c == " " or _is_part_of_letter(c)))
        for joining in dict.fromkeys([frozenset[str](), marks & _CLOSED, marks]):
            spelled[_spaced(written.translate({ord(c): None if c in joining else " " for c in marks}))] = None
    spelled.pop("", None)
    if spelled:
        return list(spelled)
    marks_alone = "".join(plain.split()) or same(text)
    return [marks_alone] if marks_alone else []


def bare(spelled: Iterable[str]) -> list[str]:
    """Return `spellings` without 'the' at the beginning or end and without words for '&' between others.

    Another article at the end comes first. A name of only such words ('The The') keeps all of them.
    """
    return list(dict.fromkeys(map(_bare, spelled)))


def without_guests(text: str) -> str:
    """Return the artist before 'feat.', 'ft.', 'featuring', 'with' or 'w/'; the text itself where there is none."""
    return _GUESTS.sub("", text).strip() or text


def folded(text: str) -> str:
    """Normalise a name as `same` does, without accents: 'björk' becomes 'bjork', 'mø' becomes 'mo'."""
    apart = unicodedata.normalize("NFKD", same(text))
    if apart.isascii():
        return apart
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).translate(_WHOLE).split())


def words(text: str) -> list[str]:
    """Split a folded text at all but letters and digits; at spaces where it has neither letters nor digits."""
    plain = "".join(c if c.isalnum() else " " for c in text).split()
    return plain or text.split()


def joined(text: str) -> str:
    """Remove all but letters, digits and spaces from a folded text: 'ac/dc' becomes 'acdc'."""
    return " ".join("".join(c for c in text if c.isalnum() or c == " ").split())


def _bare(spelling: str) -> str:
    parts = spelling.split()
    if ARTICLES.union(CONJUNCTIONS).issuperset(parts):
        return spelling
    start = next(at for at, part in enumerate(parts) if part != "the")
    end = next(at for at in range(len(parts), 0, -1) if parts[at - 1] not in ARTICLES)
    parts = [*(part for part in parts[end:] if part != "the"), *parts[start:end]]
    between = zip(parts, parts[1:], parts[2:], strict=False)
    kept = [part for before, part, after in between if not _is_conjunction(part, before, after)]
    return " ".join([parts[0], *kept, *parts[1:][-1:]])


def _is_conjunction(part: str, before: str, after: str) -> bool:
    return part in CONJUNCTIONS and (len(part) > 1 or min(len(before), len(after)) > 1)


def _spaced(text: str) -> str:
    """Put single blanks between words, none between CJK characters, and one between these and other letters."""
    text = " ".join(text.split())
    return text if text.isascii() else _CJK_EDGE.sub(" ", _CJK_GAP.sub("", text))


def _without_accents(text: str) -> str:
    """Normalise a name as `same` does, without accents; marks that make another letter stay: 'が' is not 'か'."""
    apart = unicodedata.normalize("NFKD", same(text))
    if not apart.isascii():
        apart = _SELECTORS.sub("", "".join(c for c in apart if not _is_accent(c)))
        apart = unicodedata.normalize("NFC", apart.translate(_WHOLE).translate(_TYPOGRAPHIC))
    return " ".join(apart.split())


def _is_accent(c: str) -> bool:
    """Return whether a character is a mark that may be left out.

    By their canonical combining classes, the marks of kana (8), viramas (9) and the vowel and tone signs of South and
    South-East Asia (84 to 132) may not; vowel signs of class 0 are no accents either.
    """
    combining = unicodedata.combining(c)
    return combining > 0 and combining not in (8, 9) and not 84 <= combining <= 132


def _is_part_of_letter(c: str) -> bool:
    return unicodedata.category(c).startswith("M")
