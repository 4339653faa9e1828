"""Fields of the index of names, and the queries over them.

Format 3 of a version has the fields same, folded, whole, words and popularity; format 4 also spelling and bare. Their
forms are those of `riyl.core.catalog.name_forms`. A new field comes last, because a query names a field by its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tantivy

from riyl.core.catalog.name_forms import bare, folded, joined, same, spellings, words

SPELLINGS_SINCE = 4
"""First format of a version whose index of names has the fields spelling and bare."""

TYPED = 100
"""Maximum length, in characters, of the text that inexact matches use."""

WORDS = 10
"""Maximum number of words that inexact matches use."""

SHORT = 3
"""Minimum length, in characters, of a word that may have a typo: with one, two letters match anything."""


def name_schema() -> tantivy.Schema:
    """Return the schema of an index of names in the current format."""
    builder = tantivy.SchemaBuilder()
    for field in ("same", "folded", "whole", "words"):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("popularity", fast=True)
    for field in ("spelling", "bare"):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    return builder.build()


def name_document(names: Sequence[str], popularity: int) -> tantivy.Document:
    """Return the entry of an artist by its name and aliases."""
    document = tantivy.Document()
    keys = list(dict.fromkeys(folded(name) for name in names))
    spelled = [form for name in names for form in spellings(name)]
    fields = {
        "same": [same(name) for name in names],
        "folded": keys,
        "whole": [form for key in keys for form in (" ".join(words(key)), joined(key))],
        "words": [word for key in keys for word in (*words(key), *joined(key).split())],
        "spelling": spelled,
        "bare": bare(spelled),
    }
    for field, texts in fields.items():
        for text in dict.fromkeys(texts):
            if text:
                document.add_text(field, text)
    document.add_unsigned("popularity", popularity)
    return document


class NameQueries:
    """Queries over an index of names.

    Args:
        has_spellings: whether the index has the fields spelling and bare; otherwise the second level compares `folded`,
            `words` and `joined`, and nothing matches at the third.
    """

    def __init__(self, *, has_spellings: bool) -> None:
        self._schema = name_schema()
        self._has_spellings = has_spellings

    def levels(self, name: str) -> Iterator[tantivy.Query]:
        """Yield a query for each level at which a whole name may fit, the strictest first; none for a blank name."""
        if not same(name):
            return
        yield self._terms("same", [same(name)])
        if self._has_spellings:
            yield self._terms("spelling", spellings(name))
        else:
            key = folded(name)
            wholes = [text for text in (" ".join(words(key)), joined(key)) if text]
            yield self._any([self._term("folded", key), self._terms("whole", wholes)])
        yield self._bare(name)

    def classes(self, text: str) -> Iterator[tantivy.Query]:
        """Yield a query for each class of matches of a search, the best class first."""
        key = folded(text)
        if not key:
            return
        yield self._term("same", same(text))
        yield self._any([self._term("folded", key), self._term("whole", " ".join(words(key)))])
        yield self._bare(text)
        key = key[:TYPED]
        typed = words(key)[:WORDS]
        wholes = [w for w in dict.fromkeys([" ".join(words(key)), joined(key)]) if w]
        yield self._any([self._all(typed, 0), *(self._near("whole", w, 0, begun=True) for w in wholes)])
        yield self._any([self._near("whole", w, 1) for w in wholes if len(w) >= SHORT] + [self._all(typed, 1, False)])
        yield self._all(typed, 1)

    def _bare(self, name: str) -> tantivy.Query:
        return self._terms("bare", bare(spellings(name))) if self._has_spellings else tantivy.Query.empty_query()

    def _all(self, typed: Sequence[str], typos: int, begun: bool = True) -> tantivy.Query:
        """Return a query for names with all the words, each with up to `typos` typos, the last also by its prefix."""
        *first, last = typed
        parts = [self._near("words", word, typos) for word in first]
        parts.append(self._near("words", last, typos, begun=begun))
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in parts])

    def _near(self, field: str, text: str, typos: int, *, begun: bool = False) -> tantivy.Query:
        max_typos = typos if len(text) >= SHORT else 0
        if not max_typos and not begun:
            return self._term(field, text)
        return tantivy.Query.fuzzy_term_query(self._schema, field, text, max_typos, True, begun)

    def _term(self, field: str, text: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, text)

    def _terms(self, field: str, texts: Sequence[str]) -> tantivy.Query:
        return self._any([self._term(field, text) for text in texts])

    def _any(self, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
