"""A key that was found is not looked up again for a few seconds, and is then refused if it was revoked."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from riyl.app.http import key_cache
from riyl.app.http.key_cache import KEPT_S, KeyCache
from riyl.app.http.request_errors import OverloadedError
from riyl.core.db.keys import Key, Role, create_key, revoke_key
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError
from riyl.core.settings import Settings
from tests.app.conftest import until

STRANGER = f"riyl_00000000_{'x' * 43}"


class Ring:
    """A key cache over a database of its own, with a key in it, and a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.file = folder / "riyl.sqlite"
        self.database = Database.of(Settings(home=folder))
        self.key, self.token = create_key(self.database, "reader", Role.READ)
        self.asked = 0
        event.listen(self.database.engine, "before_cursor_execute", self._count)
        self.keys = KeyCache(self.database, lambda: self.now)

    def _count(self, connection: object, cursor: object, statement: str, *_: object) -> None:
        self.asked += statement.startswith("SELECT") and "FROM keys" in statement

    def away(self) -> None:
        """Make the database unavailable by a folder in its place."""
        self.database.engine.dispose()
        self.file.rename(self.file.with_suffix(".gone"))
        self.file.mkdir()

    def find(self) -> Key | None:
        async def find() -> Key | None:
            return await self.keys.find(self.token)

        return asyncio.run(find())


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path)


def test_a_key_is_asked_about_once_in_a_while(ring: Ring) -> None:
    assert [ring.find() for _ in range(3)] == [ring.key] * 3
    assert ring.asked == 1
    ring.now += KEPT_S
    assert ring.find() == ring.key
    assert ring.asked == 2


def test_a_revoked_key_opens_nothing_after_a_few_seconds(ring: Ring) -> None:
    assert ring.find() == ring.key
    revoke_key(ring.database, ring.key.id)
    ring.now += KEPT_S
    assert ring.find() is None


async def test_an_unknown_key_is_asked_about_once_and_what_is_none_never(ring: Ring) -> None:
    assert [await ring.keys.find(STRANGER) for _ in range(3)] == [None] * 3
    assert ring.asked == 1
    for malformed in ("", "riyl", ring.token + "x", ring.token[:-1], "é"):
        assert await ring.keys.find(malformed) is None
    assert ring.asked == 1


async def test_many_at_once_with_one_key_share_an_answer(ring: Ring) -> None:
    assert await asyncio.gather(*(ring.keys.find(ring.token) for _ in range(50))) == [ring.key] * 50
    assert ring.asked == 1


async def test_who_asks_first_may_leave_while_others_wait(ring: Ring) -> None:
    first, second = (asyncio.create_task(ring.keys.find(ring.token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ring.key
    assert ring.asked == 1


async def test_made_up_tokens_share_readings_and_delay_no_known_key(ring: Ring) -> None:
    await ring.keys.find(ring.token)
    ring.now += 1
    guesses = [asyncio.create_task(ring.keys.find(f"riyl_{i:08x}_{'x' * 43}")) for i in range(200)]
    await asyncio.sleep(0)
    # within one turn of the event loop: the cache awaits nothing
    known = ring.keys.find(ring.token)
    with pytest.raises(StopIteration) as end:
        known.send(None)
    assert end.value.value == ring.key
    assert await asyncio.gather(*guesses) == [None] * 200
    assert ring.asked == 2


async def test_a_key_that_was_made_since_the_last_reading_is_found(ring: Ring) -> None:
    assert await ring.keys.find(STRANGER) is None
    ring.now += 0.001
    key, token = create_key(ring.database, "new", Role.WRITE)
    assert await ring.keys.find(token) == key


async def test_no_more_made_up_tokens_wait_than_memory_is_meant_for(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "MAX_WAITING", 2)
    guesses = [f"riyl_{i:08x}_{'x' * 43}" for i in range(4)]
    results = await asyncio.gather(*map(ring.keys.find, guesses), return_exceptions=True)
    assert results[:2] == [None, None]
    assert [type(each) for each in results[2:]] == [OverloadedError, OverloadedError]
    assert await ring.keys.find(guesses[3]) is None


async def test_a_key_in_use_is_read_again_before_anything_has_to_wait(ring: Ring) -> None:
    await ring.keys.find(ring.token)
    ring.now += KEPT_S / 2
    assert await ring.keys.find(ring.token) == ring.key
    await until(lambda: ring.asked == 2)
    await asyncio.sleep(0)
    revoke_key(ring.database, ring.key.id)
    ring.now += KEPT_S
    assert await ring.keys.find(ring.token) is None


async def test_a_token_that_comes_between_the_end_of_a_reading_and_its_callbacks_waits_for_the_next(ring: Ring) -> None:
    def stop(*_: object) -> None:
        raise TimeoutError("the event loop stands still")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 10)
    try:
        for _ in range(50):
            time.sleep(0.01)  # the reading thread ends here, and its callbacks run before this continues
            ring.now += 1
            finding = ring.keys.find(STRANGER)
            assert isinstance(finding.send(None), asyncio.Future)
            finding.close()
            await asyncio.sleep(0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert ring.asked > 5


def test_the_token_itself_is_not_kept(ring: Ring) -> None:
    ring.find()
    assert ring.token.rsplit("_", 1)[-1] not in repr(vars(ring.keys))


def test_while_the_database_is_away_a_key_in_use_opens_on_and_no_other_does(ring: Ring) -> None:
    assert ring.find() == ring.key
    ring.away()
    for _ in range(5):
        ring.now += KEPT_S
        assert ring.find() == ring.key
    # unused for more than twice the validity: its state is unknown
    ring.now += 2 * KEPT_S
    with pytest.raises(DatabaseDownError):
        ring.find()


def test_while_the_database_is_away_a_key_that_was_not_seen_is_not_known(ring: Ring) -> None:
    ring.away()
    with pytest.raises(DatabaseDownError):
        ring.find()
