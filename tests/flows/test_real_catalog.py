"""The paper's method on the real catalog reaches what docs/model.md says; slow, and skipped where the data is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.test_source_to_model import as_json, riyl

pytestmark = pytest.mark.slow


def test_the_papers_method_beats_its_inputs_and_baselines_on_real_artists(real_data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    riyl(home, "snapshot", "build", str(real_data / "olga-artists"))
    riyl(home, "train", "--config", "paper-msd")
    printed = as_json(home, "evaluate")
    floors = {"raw": 0.215, "fmc": 0.328}
    for condition, floor in floors.items():
        ndcg = {r["system"]: r["ndcg"] for r in printed["results"] if r["condition"] == condition}
        assert ndcg.pop("paper-msd") >= floor
        assert len(ndcg) == 9
    assert {d["system"]: d["high"] < 0 for d in printed["differences"]} == {
        d["system"]: True for d in printed["differences"]
    }
    queries = {r["condition"]: (r["artists"], r["queries"]) for r in printed["results"]}
    assert queries == {"raw": (11098, 9728), "fmc": (6253, 5481)}


def test_lastfm_2k_goes_the_same_way_with_two_modalities(real_data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    put = home / "downloads" / "lastfm-2k"
    put.mkdir(parents=True)
    (put / "hetrec2011-lastfm-2k.zip").symlink_to(real_data / "archives" / "hetrec2011-lastfm-2k.zip")
    rows = as_json(home, "data", "tables", "lastfm-2k", str(tmp_path / "tables"))["rows"]
    assert (rows["artists"], rows["plays"]) == (17632, 92834)
    snapshot = as_json(home, "snapshot", "build", str(tmp_path / "tables"))
    assert snapshot["modalities"] == {"cf": 17632, "tags": 11972}
    config = tmp_path / "short.toml"
    config.write_text('method = "contrastive"\nmax_epochs = 2\n[encoders.tags]\nkind = "set"\n')
    assert list(as_json(home, "train", "--config", str(config))["parts"]) == ["cf", "tags"]
