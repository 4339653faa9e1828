from __future__ import annotations

from riyl.app.jobs.steps import Steps


def reindexed(steps: Steps) -> str:
    """The version that the steps up to the promotion make."""
    frozen = steps.freeze(None)
    model = steps.choose_model(None)["model"]
    snapshot = steps.featurize(frozen, model)["snapshot"]
    steps.embed(model, snapshot)
    version: str = steps.build(model, snapshot)["version"]
    assert steps.promote(version, steps.judge(version)["verdict"], "ann") == {"promoted": True, "truth": None}
    return version
