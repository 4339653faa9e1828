"""Normalised forms in which names are compared."""

from __future__ import annotations

import re
import unicodedata

_WHOLE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def same(text: str) -> str:
    """Normalise a name for comparison: NFKC, case folded, single spaces, no control characters."""
    text = unicodedata.normalize("NFKC", text.encode(errors="replace").decode())
    return unicodedata.normalize("NFKC", " ".join(_CONTROL.sub(" ", text).casefold().split()))


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
