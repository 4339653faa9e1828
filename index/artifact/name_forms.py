"""The forms in which names are compared."""

from __future__ import annotations

import re
import unicodedata

_WHOLE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def same(text: str) -> str:
    """A name in the form in which it is compared: NFKC, case folded, single spaces, no control characters."""
    text = unicodedata.normalize("NFKC", text.encode(errors="replace").decode())
    return unicodedata.normalize("NFKC", " ".join(_CONTROL.sub(" ", text).casefold().split()))


def folded(text: str) -> str:
    """`same` without accents: 'björk' becomes 'bjork', 'mø' becomes 'mo'."""
    apart = unicodedata.normalize("NFKD", same(text))
    if apart.isascii():
        return apart
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).translate(_WHOLE).split())


def words(text: str) -> list[str]:
    """The words of a folded text, split at whatever is no letter or digit; split at spaces where it has neither."""
    plain = "".join(c if c.isalnum() else " " for c in text).split()
    return plain or text.split()


def joined(text: str) -> str:
    """A folded text without whatever is no letter, digit or space: 'ac/dc' becomes 'acdc'."""
    return " ".join("".join(c for c in text if c.isalnum() or c == " ").split())
