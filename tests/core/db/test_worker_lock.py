from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from riyl.core.db.session import Database
from riyl.core.db.worker_lock import WorkerLock
from riyl.core.settings import Settings
from tests.core.db.conftest import Closing
from tests.core.db.processes import start

HOLD = """
import sys
from riyl.core.db.session import Database
from riyl.core.db.worker_lock import WorkerLock
from riyl.core.settings import Settings
lock = WorkerLock(Database.of(Settings()), "one")
print(lock.take(), flush=True)
sys.stdin.readline()
"""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_process_at_a_time_has_a_workers_place(settings: Settings, closing: Closing) -> None:
    database = closing(Database.of(settings))
    lock, other_lock = WorkerLock(database, "one"), WorkerLock(closing(Database.of(settings)), "one")
    assert lock.take()
    assert lock.take()
    assert not other_lock.take()
    lock.release()
    assert other_lock.take()
    assert not lock.take()
    other_lock.release()


@pytest.mark.postgres
def test_workers_of_other_names_have_places_of_their_own(postgres_url: str, closing: Closing) -> None:
    settings = Settings(database_url=SecretStr(postgres_url))
    locks = [WorkerLock(closing(Database.of(settings)), name) for name in ("one", "two")]
    assert [lock.take() for lock in locks] == [True, True]
    for lock in locks:
        lock.release()


def test_a_killed_workers_place_is_free(settings: Settings, closing: Closing) -> None:
    database = closing(Database.of(settings))
    lock = WorkerLock(database, "one")
    with start(HOLD, settings) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not lock.take()
        holder.send_signal(signal.SIGKILL)
        until(lock.take)
    lock.release()
