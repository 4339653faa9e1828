"""No identifier and no file has a name that was given up; public strings are exactly those listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from riyl.app.http.errors import STATUS
from riyl.app.jobs.flows import REINDEX_STEPS, TRAIN_STEPS
from riyl.app.main import create_app
from riyl.core.db.tables import changes, evaluations, verdicts
from riyl.core.settings import Home, Settings
from riyl.training.config import CcaConfig, ContrastiveConfig, FineTuneConfig
from riyl.training.features.recipe import Recipe
from tests.conftest import REPOSITORY

PACKAGES = ("app", "core", "evaluation", "index", "training")

GIVEN_UP = frozenset(
    """
    Act Admission Allowed AskedWith Basis Beneath Bend BoundedBody Cells Changing Chosen CfProjector Done Feed Following
    Gate Gates GateCheck GateError Ground Growing HeldBack Keyring Links LinksConfig Live Obeying Observed Placed Placer
    Projector QuestionShortWay Rates ReadAsideRoute Refined Retriever Said Served Serving Shed ShortWay SimilarShortWay
    Stacked Standing TablesSay TagProjector Term Understood Unplaced VectorProjector Waves Wish
    act_of against allowed artists_a_wave asking basis bend beneath blend cold damped feed fix_changes
    fix_tables fixed gate gone held_back held_out is_quick is_short judges left_out longest look narrowed nobody_has one
    own place policy power private projector refusal ruled said seen_after softness
    standing subjects tie_order ties unplaced unruled waves wish
    """.split()  # noqa: SIM905
)
"""Whole names. `docs/glossary.md` has the words in their place."""

ELSEWHERE = {
    "one": {
        "core/db/evaluations.py",
        "core/db/promotions.py",
        "core/db/revisions.py",
        "core/db/rules.py",
    },  # SQLAlchemy
}
"""Names of other libraries, and the files that call them."""

PREFIXES = ("MOST_", "LEAST_", "LONGEST_", "LARGEST_", "FEWEST_", "WIDEST_")
SUFFIXES = ("Asked", "Answer")
NO_LOCALS = frozenset({"found", "asked", "one", "said", "own"})


def source_files(*roots: str) -> Iterator[Path]:
    for root in roots:
        yield from sorted((REPOSITORY / root).rglob("*.py"))


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.arg):
            yield node.arg, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, line
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, line
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.rpartition(".")[2], line


def is_given_up(name: str) -> bool:
    plain = name.lstrip("_")
    return (
        name in GIVEN_UP
        or plain.startswith(PREFIXES)
        or (plain[:1].isupper() and plain.endswith(SUFFIXES) and plain not in SUFFIXES)
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_no_identifier_is_a_name_that_was_given_up(package: str) -> None:
    uses = [
        f"{relative}:{line} {name}"
        for path in source_files(package)
        for relative in [path.relative_to(REPOSITORY).as_posix()]
        for name, line in identifiers(ast.parse(path.read_text(encoding="utf-8")))
        if is_given_up(name) and relative not in ELSEWHERE.get(name, ())
    ]
    assert uses == []


def test_no_file_has_a_name_that_was_given_up() -> None:
    stems = {path.stem: path for path in source_files(*PACKAGES)}
    assert [str(path) for stem, path in stems.items() if is_given_up(stem)] == []


@pytest.mark.parametrize("root", [*PACKAGES, "tests"])
def test_locals_say_what_they_hold(root: str) -> None:
    bound = [
        f"{path.relative_to(REPOSITORY)}:{line} {name}"
        for path in source_files(root)
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for name, line in bound_in(function)
        if name in NO_LOCALS
    ]
    assert bound == []


def bound_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, int]]:
    """Return the local variables of a function; parameters may be named after a fixture or a field."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


@pytest.mark.parametrize(
    ("code", "name"),
    [("asked_with = waves(1)", "waves"), ("class SimilarAsked: ...", "SimilarAsked"), ("x.MOST_SEEDS", "MOST_SEEDS")],
)
def test_a_name_that_was_given_up_is_noticed(code: str, name: str) -> None:
    assert name in {each for each, _ in identifiers(ast.parse(code)) if is_given_up(each)}


SETTINGS = """
    allowed_hosts concurrency_per_class cors_origins database_password_file database_url home host ignore_unread
    import_root keep_versions lastfm_upstream log_level port quality_max_drop quality_min_overlap quality_min_recall
    quality_min_share quality_min_table_share quality_truth queue_per_class queue_timeout_s rate_limit reindex_cron
    require_key root_path tables threads trusted_proxies worker
"""
CCA = """
    method dim shared ridge correlation_exponent tfidf_dims max_terms blocks name norm_shrinkage n_fourier_features
    min_artists_per_feature bandwidth modality_specific_weight scoring supervision
"""
CONTRASTIVE = """
    method modalities encoders dim temperature symmetric learning_rate batch_size validation stop_by max_epochs
    patience
"""
FINE_TUNE = "hidden spread dropout temperature learning_rate batch_size candidates validation max_epochs patience"
SCHEMAS = """
    AliasCount AliasKind AliasesImported AliasesResponse
    Alive ArtistPatch ArtistPut ArtistResponse ArtistsResponse BatchEntry BatchProblem BatchRequest
    BatchResponse BlockRequest Bounds ChangeBatch ChangeKind ChangeResponse ChangeVerdicts ChangesResponse
    CommonTerm ComparedResponse ComparisonResponse Condition ConditionSummary DamagedEmbeddings DamagedTruth
    DeleteLine Details EmbeddingsListResponse EmbeddingsResponse EvaluateParams EvaluateRequest
    EvaluationResponse EvaluationsResponse ExpectedResponse Explained ExplainedResponse FiltersRequest
    ImportParams ImportRequest IndexResponse InvalidInput JobKind JobResponse JobState JobTaken JobsResponse
    KnownResponse ListedChange MeasuredQuery MergeInto MergeLine NeverRequest OutlineResponse OwnWorkerResponse
    PairShare PatchLine Pattern PinRequest Problem ProgressResponse PromoteRequest PromotionResponse PutLine
    QualityCheck QualityChecks QueriesResponse QueryDifference QueryResponse Ready Refused ReindexParams
    ReindexRequest ResolveResponse ResolvedQuery ResolvedSeed RetrievedResponse RollbackRequest RuleKind
    RuleResponse RuleState RulesResponse Seed SeedShare SideResponse Similar SimilarRequest SimilarResponse
    Summary TrainParams TrainRequest TruthDetails TruthResponse TruthsResponse Verdict VerdictResponse
    VersionResponse VersionsResponse VisibleAfter Why
"""
TITLES = {
    *("address too long", "method not allowed"),
    *("body too large", "body too slow", "damaged embeddings", "damaged evaluation", "damaged file"),
    *("damaged truth", "damaged version"),
    *("database busy", "database damaged", "database down", "insufficient storage", "storage read-only"),
    *("database not believed", "database of another release", "failed quality checks", "invalid request"),
    *(
        "job has ended",
        "key needed",
        "no encoder",
        "not acceptable",
        "not allowed",
        "not comparable",
        "not found",
        "not ready",
    ),
    *("nothing known yet", "overloaded", "several artists have this mbid", "several artists have this name"),
    *("service ends", "unknown host"),
    *("too many requests", "unknown artist", "unsupported media type", "version of an older format"),
}


def test_settings_and_config_fields_are_exactly_these() -> None:
    """Environment variables are these names behind RIYL_."""
    assert sorted(Settings.model_fields) == SETTINGS.split()
    assert list(CcaConfig.model_fields) == CCA.split()
    assert list(ContrastiveConfig.model_fields) == CONTRASTIVE.split()
    assert list(FineTuneConfig.model_fields) == FINE_TUNE.split()
    assert list(Recipe.model_fields) == ["tags", "cf", "vectors", "seed", "holdout"]


def test_schemas_and_problems_of_the_api_are_exactly_these(tmp_path: Path) -> None:
    document = create_app(Settings(home=tmp_path)).openapi()
    assert sorted(document["components"]["schemas"]) == SCHEMAS.split()
    assert {title for _, title in STATUS.values()} == TITLES
    similar = document["components"]["schemas"]["SimilarRequest"]["properties"]
    assert {"seeds", "avoid", "tags", "plays", "vectors", "uncorrected"} <= set(similar)
    index = document["components"]["schemas"]["IndexResponse"]["properties"]
    assert {"not_embedded", "quality_checks"} <= set(index)
    change = document["components"]["schemas"]
    assert set(change["VisibleAfter"]["enum"]) == {"within_1s", "within_1min", "within_1h", "reindex"}
    assert "payload" in change["ListedChange"]["properties"]


def test_steps_columns_and_folders_are_exactly_these(tmp_path: Path) -> None:
    assert REINDEX_STEPS == ("freeze", "model", "featurize", "embed", "build", "check", "promote", "prune")
    assert TRAIN_STEPS == ("freeze", "fit", "train", "reindex")
    assert set(changes.c.keys()) == {"number", "artist", "kind", "payload", "counts", "by", "at", "key"}
    assert set(verdicts.c.keys()) == {"number", "version", "compared_to", "passed", "checks", "at", "job"}
    assert {"request", "figures"} <= set(evaluations.c.keys())
    home = Home(tmp_path)
    paths = (
        home.frozen_tables,
        home.supervision,
        home.tombstones,
        home.rules,
        home.versions,
        home.snapshots,
        home.models,
        home.embeddings,
    )
    assert [path.name for path in paths] == [
        *("frozen_tables", "supervision", "tombstones.ndjson", "rules.json", "versions", "snapshots", "models"),
        "embeddings",
    ]
