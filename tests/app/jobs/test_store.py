from __future__ import annotations

from pathlib import Path

import pytest
from dbos._utils import retriable_postgres_exception
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from riyl.app.jobs.store import jobs_engine
from riyl.core.settings import Settings


@pytest.mark.parametrize("host", ["riyl.invalid", "127.0.0.1:1"])
def test_dbos_waits_for_a_database_whose_host_is_gone(tmp_path: Path, host: str) -> None:
    engine = jobs_engine(Settings(home=tmp_path, database_url=SecretStr(f"postgresql://riyl@{host}/riyl")))
    with pytest.raises(OperationalError) as caught:
        engine.connect()
    assert retriable_postgres_exception(caught.value)
