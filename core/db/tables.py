"""The tables of the database."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcTime(TypeDecorator[datetime]):
    """A point in time; aware and in UTC in Python, whatever type the database has."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"found the naive time {value}; wanted one with a time zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

promotions = Table(
    "promotions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True, comment="In the order in which they took effect."),
    Column("version", String(64), nullable=False),
    Column("act", String(16), nullable=False, comment="promote or rollback"),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("forced", Boolean, nullable=False, comment="Whether it was promoted against the promotion policy."),
    Column("job", String(64), unique=True, comment="The job that promoted; a job promotes once, however often it runs"),
    sqlite_autoincrement=True,
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("version", String(64), nullable=False, index=True),
    Column("compared_to", String(64), comment="The version that was current then."),
    Column("passed", Boolean, nullable=False),
    Column("checks", JSON, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("job", String(64), unique=True),
    sqlite_autoincrement=True,
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True, comment="The public part of the key."),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, comment="sha256 of the secret, which has 256 random bits"),
    Column("created", UtcTime, nullable=False),
    Column("revoked", UtcTime),
)

job_progress = Table(
    "job_progress",
    metadata,
    Column("job", String(64), primary_key=True),
    Column("step", String(64), nullable=False),
    Column("number", Integer, nullable=False, comment="Number of the step, from 1."),
    Column("steps", Integer, nullable=False),
    Column("what", String(64), nullable=False, comment="Unit that is counted in the step."),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False, comment="0 if unknown."),
    Column("seconds_left", Float, comment="Time until the total is reached; null if unknown."),
    Column("at", UtcTime, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", String(64), primary_key=True, comment="Id of its job, or of the run of the command line."),
    Column("request", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("at", UtcTime, nullable=False, index=True),
    Column("by", Text, comment="Author; null in rows of earlier releases, as later columns may be."),
    Column("truth", String(64), comment="Id of the ground truth."),
    Column("truth_name", Text),
    Column("snapshot", String(64)),
    Column("version", String(64), comment="Id of the measured version, if any."),
    Column("model", String(64), comment="Id of the reference, if it is a model."),
    Column("k", Integer),
    Column("summary", JSON, comment="The reference's figures in each condition."),
)

rules = Table(
    "rules",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True, comment="Orders the pins of one artist."),
    Column("kind", String(16), nullable=False, comment="block, never or pin"),
    Column(
        "artist", String(200), nullable=False, index=True, comment="Id of the artist, whether or not a version has it."
    ),
    Column("other", String(200), nullable=False, index=True, comment="Second artist of a pair; empty for a block."),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("kind", "artist", "other", name="uq_rules"),  # nulls would not be equal to each other
    sqlite_autoincrement=True,
)

rules_revision = Table(
    "rules_revision",
    metadata,
    Column("revision", Integer, nullable=False, comment="Single row; raised by every act on the rules."),
)

# sorted by code points on PostgreSQL as on SQLite, which is the order of effective changes
_ARTIST = String(200).with_variant(String(200, collation="C"), "postgresql")

changes = Table(
    "changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="In the order of commits."),
    Column("artist", _ARTIST, nullable=False, comment="Id of the artist, whether or not a version has it."),
    Column("kind", String(16), nullable=False, comment="See riyl.core.changes.effective.ChangeKind."),
    Column("payload", JSON, nullable=False, comment="See riyl.core.changes.effective.Payload."),
    Column(
        "counts",
        JSON,
        nullable=False,
        comment="Sizes of the payload by field, for lists, which do not read the payload.",
    ),
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("key", String(200), comment="Idempotency-Key of its batch."),
    Index("ix_changes_artist", "artist", "number"),
)

changes_head = Table(
    "changes_head",
    metadata,
    Column("number", BigInteger, nullable=False, comment="Single row, locked by writers: number of the last change."),
)

change_batches = Table(
    "change_batches",
    metadata,
    Column("owner", String(16), primary_key=True, comment="Id of the sender's API key."),
    Column("key", String(200), primary_key=True, comment="Idempotency-Key of the batch."),
    Column(
        "start", Integer, primary_key=True, autoincrement=False, comment="Number of lines before those judged here."
    ),
    Column("digest", String(64), nullable=False, comment="sha256 of the whole batch."),
    Column("verdicts", JSON, nullable=False),
    Column("at", UtcTime, nullable=False, index=True),
)

database_identity = Table(
    "database_identity",
    metadata,
    Column("id", String(32), nullable=False, comment="Single row: random; replaced by an acceptance."),
)

revisions = Table(
    "revisions",
    metadata,
    Column("stream", String(16), primary_key=True, comment="See riyl.core.storage.stamps.Stream."),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="Ascending, with gaps."),
    Column("mark", String(32), nullable=False, comment="Random: distinguishes histories with the same numbers."),
)

acceptances = Table(
    "acceptances",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("seen", JSON, nullable=False, comment="By stream, the stamp of the home's copy before the acceptance."),
    Column("restored", JSON, nullable=False, comment="Number of records restored from the home's copies, by kind."),
    sqlite_autoincrement=True,
)

aliases = Table(
    "aliases",
    metadata,
    Column("kind", String(16), primary_key=True, comment="See riyl.core.db.aliases.AliasKind."),
    Column("external_id", String(200), primary_key=True, comment="Id of the artist in that media server."),
    Column("artist", _ARTIST, nullable=False, comment="Id of the artist, whether or not a version has it."),
    Index("ix_aliases_artist", "kind", "artist"),
)
