"""Editorial rules bound to a version, and their application to lists of similar artists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from riyl.core.errors import InputError
from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.types import Mask, Rows
from riyl.index.search.neighbours import Neighbours, best_of, exact_scores
from riyl.index.search.searcher import Searcher


class RuleState(StrEnum):
    """State of a rule in a version."""

    IN_FORCE = "in force"
    UNKNOWN = "unknown artist"
    NO_EMBEDDING = "no embedding"
    OVERRULED = "overruled"


@dataclass(frozen=True)
class BoundRules:
    """Rules resolved to the rows of one version.

    Attributes:
        rules: the rules themselves.
        blocked: rows that are treated as absent.
        never: by row, the rows that are not shown for it; each pair in both directions.
        pinned: by row, the number of the rule and the row of each artist pinned to the head of its list, by number;
            only artists that can be shown: with an embedding and not hidden.
        n_rows: number of rows of the version and the changes on it.
    """

    rules: Rules
    blocked: frozenset[int]
    never: Mapping[int, frozenset[int]]
    pinned: Mapping[int, tuple[tuple[int, int], ...]]
    n_rows: int

    @staticmethod
    def of(rules: Rules, searcher: Searcher) -> BoundRules:
        """Bind rules to a version; rules that name artists the version lacks are skipped."""
        blocked, never = set[int](), dict[int, set[int]]()
        pins: list[tuple[int, int, int]] = []
        for rule in rules.rules:
            row, other = _rows(rule, searcher)
            match rule.kind:
                case RuleKind.BLOCK if row is not None:
                    blocked.add(row)
                case RuleKind.NEVER if row is not None and other is not None:
                    never.setdefault(row, set()).add(other)
                    never.setdefault(other, set()).add(row)
                case RuleKind.PIN if row is not None and other is not None and searcher.is_searchable(other):
                    pins.append((rule.number, row, other))
        pinned: dict[int, tuple[tuple[int, int], ...]] = {}
        for number, row, other in pins:
            if other not in blocked and other not in never.get(row, ()):
                pinned[row] = (*pinned.get(row, ()), (number, other))
        apart = {row: frozenset(others) for row, others in never.items()}
        return BoundRules(rules, frozenset(blocked), apart, pinned, searcher.overlay.n_rows)

    def __bool__(self) -> bool:
        """Return whether any rule changes anything in this version."""
        return bool(self.blocked or self.never or self.pinned)

    @cached_property
    def _blocked_mask(self) -> Mask:
        mask = np.zeros(self.n_rows, bool)
        mask[list(self.blocked)] = True
        return mask

    def hidden(self, seeds: Sequence[int]) -> Rows:
        """Return the rows that must not be shown for these seeds, (m,): blocked, or forbidden with any seed."""
        return np.array(sorted(self.blocked.union(*(self.never.get(seed, ()) for seed in seeds))), np.int32)

    def shows(self, rows: Rows, seeds: Sequence[int]) -> Mask:
        """Return which of `rows` are not in `hidden(seeds)`, (m,) bool; its time does not grow with blocked rows."""
        shown = ~self._blocked_mask[rows]
        for seed in seeds:
            if seed in self.never:
                shown &= ~np.isin(rows, list(self.never[seed]))
        return np.asarray(shown)

    def pins(self, seeds: Sequence[int]) -> list[int]:
        """Return the rows pinned to the head for these seeds, by the numbers of their rules; none is hidden."""
        numbered = sorted(pin for seed in seeds for pin in self.pinned.get(seed, ()))
        apart = frozenset[int]().union(*(self.never.get(seed, ()) for seed in seeds))
        return list(dict.fromkeys(row for _, row in numbered if row not in seeds and row not in apart))

    def state(self, rule: Rule, searcher: Searcher) -> RuleState:
        """Return the state of a rule in the version that these are bound to."""
        row, other = _rows(rule, searcher)
        if row is None or (rule.other is not None and other is None):
            return RuleState.UNKNOWN
        if rule.kind is RuleKind.PIN and other is not None:
            if row in self.blocked or other in self.blocked or other in self.never.get(row, ()):
                return RuleState.OVERRULED
            if not searcher.is_searchable(row) or not searcher.is_searchable(other):
                return RuleState.NO_EMBEDDING
        return RuleState.IN_FORCE


def without_rules(n_rows: int) -> BoundRules:
    """Return an empty set of rules, bound to a version of `n_rows` rows."""
    return BoundRules(NO_RULES, frozenset(), {}, {}, n_rows)


def apply_rules(searcher: Searcher, rules: BoundRules, row: int, k: int, *, uncorrected: bool = False) -> Neighbours:
    """Return the k artists most similar to the one in `row` under the rules: pinned ones first, hidden ones left out.

    Where the rules leave too few of the ready list, exact search among all artists finds the rest.

    Args:
        searcher: of the version.
        rules: bound to this version; they must not block the artist.
        row: the artist.
        k: length of the list.
        uncorrected: see `Searcher.similar`.

    Raises:
        InputError: k is below 1.
        NothingKnownError: the artist has no embedding.
    """
    if not rules:
        return searcher.similar(row, k, uncorrected=uncorrected)
    _check_k(k)
    uncorrected = uncorrected and searcher.corrects
    if not uncorrected and (neighbours := ready(searcher, rules, row, k)) is not None:
        return neighbours
    listed = searcher.ready(row)
    if uncorrected:  # ready lists have corrected scores
        listed = Neighbours(listed.rows[:0], listed.scores[:0])
    first = _first(searcher, rules, row, listed, uncorrected=uncorrected)
    scores = exact_scores(searcher.overlay, row, uncorrected=uncorrected)
    scores[rules.hidden([row])] = -np.inf
    scores[first.rows] = -np.inf
    scores[row] = -np.inf
    return _cut(first, k, best_of(searcher.overlay, scores, k - len(first.rows)))


def ready(searcher: Searcher, rules: BoundRules, row: int, k: int) -> Neighbours | None:
    """Return the result of `apply_rules` from the ready list alone; None where that is too short.

    Raises as `apply_rules`.
    """
    _check_k(k)
    listed = searcher.ready(row)
    first = _first(searcher, rules, row, listed) if rules else listed
    if len(first.rows) < k and not listed.whole:
        return None
    return _cut(first, k)


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k: found {k}; wanted at least 1")


def _first(
    searcher: Searcher, rules: BoundRules, row: int, listed: Neighbours, *, uncorrected: bool = False
) -> Neighbours:
    """Return the pinned artists, followed by those of a list that the rules show."""
    pins = np.array(rules.pins([row]), np.int32)
    mask = rules.shows(listed.rows, [row])
    if not len(pins):
        return Neighbours(listed.rows[mask], listed.scores[mask])
    scores = exact_scores(searcher.overlay, row, uncorrected=uncorrected, rows=pins)
    at = {other: position for position, other in enumerate(listed.rows.tolist())}
    for position, pin in enumerate(pins.tolist()):
        if pin in at:  # the same score as without the rule, to the last bit
            scores[position] = listed.scores[at[pin]]
    mask &= ~np.isin(listed.rows, pins)
    return Neighbours(
        np.concatenate([pins, listed.rows[mask]]), np.concatenate([scores, listed.scores[mask]]), len(pins)
    )


def _cut(first: Neighbours, k: int, rest: Neighbours | None = None) -> Neighbours:
    rows, scores = first.rows, first.scores
    if rest is not None:
        rows, scores = np.concatenate([rows, rest.rows]), np.concatenate([scores, rest.scores])
    return Neighbours(rows[:k], scores[:k], min(first.n_pinned, k))


def _rows(rule: Rule, searcher: Searcher) -> tuple[int | None, int | None]:
    return searcher.row_of_id(rule.artist), None if rule.other is None else searcher.row_of_id(rule.other)
