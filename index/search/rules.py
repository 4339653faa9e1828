"""Editorial rules bound to a version, and their application to lists of similar artists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.types import Mask, Rows
from riyl.index.search.neighbours import Neighbours, best_of, check_page, exact_scores
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


def apply_rules(
    searcher: Searcher, rules: BoundRules, row: int, k: int, *, offset: int = 0, uncorrected: bool = False
) -> Neighbours:
    """Return artists most similar to the one in `row` under the rules: pinned ones first, hidden ones left out.

    Behind the end of the ready list, or where the rules leave too few of it, exact search among all artists finds the
    rest. The pages of one artist are the parts of one list, whatever their lengths.

    Args:
        searcher: of the version.
        rules: bound to this version; they must not block the artist.
        row: the artist.
        k: length of the page.
        offset: number of artists of the list before the page.
        uncorrected: see `Searcher.similar`.

    Raises:
        InputError: k is below 1, or offset below 0.
        NothingKnownError: the artist has no embedding.
    """
    if not rules:
        return searcher.similar(row, k, offset=offset, uncorrected=uncorrected)
    check_page(offset, k)
    uncorrected = uncorrected and searcher.corrects
    if not uncorrected and (neighbours := ready(searcher, rules, row, k, offset)) is not None:
        return neighbours
    listed = searcher.ready(row)
    if uncorrected:  # ready lists have corrected scores
        listed = Neighbours(listed.rows[:0], listed.scores[:0])
    first = _first(searcher, rules, row, listed, uncorrected=uncorrected)
    scores = exact_scores(searcher.overlay, row, uncorrected=uncorrected)
    scores[rules.hidden([row])] = -np.inf
    scores[first.rows] = -np.inf
    scores[row] = -np.inf
    return first.followed_by(best_of(searcher.overlay, scores, offset + k + 1 - len(first.rows))).page(offset, k)


def ready(searcher: Searcher, rules: BoundRules, row: int, k: int, offset: int = 0) -> Neighbours | None:
    """Return the result of `apply_rules` from the ready list alone; None where that is too short.

    Raises as `apply_rules`.
    """
    check_page(offset, k)
    listed = searcher.ready(row)
    first = _first(searcher, rules, row, listed) if rules else listed
    return first.page(offset, k) if first.reaches(offset + k) else None


def _first(
    searcher: Searcher, rules: BoundRules, row: int, listed: Neighbours, *, uncorrected: bool = False
) -> Neighbours:
    """Return the pinned artists, followed by those of a list that the rules show."""
    pins = np.array(rules.pins([row]), np.int32)
    mask = rules.shows(listed.rows, [row])
    if not len(pins):
        return Neighbours(listed.rows[mask], listed.scores[mask], whole=listed.whole)
    scores = exact_scores(searcher.overlay, row, uncorrected=uncorrected, rows=pins)
    at = {other: position for position, other in enumerate(listed.rows.tolist())}
    for position, pin in enumerate(pins.tolist()):
        if pin in at:  # the same score as without the rule, to the last bit
            scores[position] = listed.scores[at[pin]]
    mask &= ~np.isin(listed.rows, pins)
    return Neighbours(
        np.concatenate([pins, listed.rows[mask]]),
        np.concatenate([scores, listed.scores[mask]]),
        len(pins),
        listed.whole,
    )


def _rows(rule: Rule, searcher: Searcher) -> tuple[int | None, int | None]:
    return searcher.row_of_id(rule.artist), None if rule.other is None else searcher.row_of_id(rule.other)
