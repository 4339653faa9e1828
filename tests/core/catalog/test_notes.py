from __future__ import annotations

from riyl.core.catalog.notes import Notes


def test_rows_read_are_kept_or_left_out() -> None:
    notes = Notes()
    notes.add_read("tags", 7)
    notes.add_read("tags", 3)
    notes.leave_out("tags", "of nobody", 2)
    notes.leave_out("tags", "of nothing", 1)
    notes.leave_out("tags", "never", 0)
    assert (notes.read, notes.kept("tags")) == ({"tags": 10}, 7)
    assert notes.skipped_rows == {"tags": {"of nobody": 2, "of nothing": 1}}


def test_the_first_cases_of_a_note_are_kept() -> None:
    notes = Notes()
    for i in range(5):
        notes.add("odd", f"row {i}")
    notes.add("none", count=0)
    assert notes.counts == {"odd": 5}
    assert notes.examples == {"odd": ("row 0", "row 1", "row 2")}
