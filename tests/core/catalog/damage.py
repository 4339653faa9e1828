"""Randomly damaged files."""

from __future__ import annotations

from hypothesis import strategies as st


def damaged(data: st.DataObject, content: bytes, max_bytes: int) -> bytes:
    """Return content with one to `max_bytes` of its bytes changed, and at most its second half cut off."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, max_bytes))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.integers(len(changed) // 2, len(changed)))])
