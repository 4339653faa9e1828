"""A record (`riyl.evaluation.record`) as one self-contained page: tables and figures inline, no script, fit to
print."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any, TypeAlias

from riyl.evaluation.figures import draw_all, svg
from riyl.evaluation.markup import interval, number, paragraph, percent, share, signed, spread, table

Record: TypeAlias = Mapping[str, Any]

STYLE = """\
body{font:15px/1.5 system-ui,sans-serif;color:#1f1d1a;background:#fff}
body{max-width:64rem;margin:2rem auto;padding:0 1.25rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}p,figcaption,caption{max-width:46rem}
table{border-collapse:collapse;margin:.6rem 0 1.4rem;font-size:.8rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:.3rem}th,td{padding:.14rem .6rem .14rem 0;text-align:right;white-space:nowrap}
th{border-bottom:1px solid #bbb;font-weight:600}th:first-child,td:first-child{text-align:left}
tr.floor td{color:#67625a}tr.reference td{font-weight:600}td small{color:#67625a}
figure{margin:1rem 0 1.6rem}figure svg{width:52rem;max-width:100%;height:auto}
figcaption,.quiet{color:#55514a;font-size:.9rem}
div.wide{overflow-x:auto}
@page{margin:12mm}
@media print{body{margin:0;padding:0;max-width:none;font-size:9pt}h2{break-after:avoid}table,figure{break-inside:avoid}
div.wide{overflow:visible}table{font-size:6.6pt}th,td{padding:.1rem .35rem .1rem 0}}"""

CAPTIONS = {
    "figure-1-accuracy-and-evenness": "Figure 1. Accuracy and evenness of each system in each condition, with 95 % "
    "intervals.",
    "figure-2-modality-groups": "Figure 2. Artists in equal random groups that keep one, two or all modalities: of the "
    "first 5 neighbours of a group's artists (row), the share that each group (column) holds, mean over the groupings. "
    "One colour scale for all. Even rows are best: an artist is found whatever is known of it.",
    "figure-3-coherence-and-popularity": "Figure 3. nDCG in 20 groups of queries by expected contrastive loss (low: "
    "the artist's modalities agree and lie apart from others) and by popularity, with Kendall's tau-b over queries.",
    "figure-4-popularity-fmc": "Figure 4. fmc: nDCG in 20 groups of queries by plays and by distinct listeners, "
    "relative to that of collaborative filtering alone. Ratio of group means; equal values are in one group.",
    "figure-5-popularity-raw": "Figure 5. raw: the same. Artists without plays, of whom collaborative filtering "
    "has nothing, have no ratio; their nDCG is in a table below.",
    "figure-6-links": "Figure 6. nDCG by how many similar artists the query has in the truth.",
}


WORDS = {
    "ndcg": "nDCG",
    "precision": "precision",
    "recall": "recall",
    "r_precision": "R-precision",
    "ecl": "ECL",
    "cd_intra": "CD_intra",
    "cd_inter": "CD_inter",
    "pop_plays": "POP by plays",
    "pop_listeners": "POP by listeners",
}


def report_html(record: Record) -> str:
    """The report; a pure function of the record, so that the same figures give the same bytes.

    Args:
        record: the figures of an evaluation, format 2, undefined ones None.
    """
    drawn = {name: svg(figure) for name, figure in draw_all(record).items()}
    truth = record["truth"]
    title = f"Artist similarity against the truth {truth['name']}"
    sections = [
        f"<h1>{escape(title)}</h1>",
        paragraph(_subject(record), "quiet"),
        "<h2>What ran on what</h2>",
        _catalog(record),
        _models(record),
        "<h2>Accuracy and evenness</h2>",
        _figure(drawn, "figure-1-accuracy-and-evenness"),
        *(_results(record, condition) for condition in record["conditions"]),
        _subsets(record),
        _seeds(record),
        _unseen(record),
        "<h2>Robustness to missing modalities</h2>" if record["groups"] else "",
        _figure(drawn, "figure-2-modality-groups"),
        _entropies(record),
        "<h2>Popularity and the shape of the space</h2>",
        _figure(drawn, "figure-3-coherence-and-popularity"),
        *(_correlations(entry) for entry in record["coherence"]),
        _figure(drawn, "figure-4-popularity-fmc"),
        _figure(drawn, "figure-5-popularity-raw"),
        _without_plays(record),
        _figure(drawn, "figure-6-links"),
        "<h2>Do the measures agree?</h2>",
        _measures(record),
        "<h2>The protocol</h2>",
        paragraph(record["protocol"]),
        paragraph(
            f"Here: lists of {record['k']}, {record['rounds']:,} bootstrap rounds, seed {record['seed']} for ties, "
            "noise, groups and resampling."
        ),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _subject(record: Record) -> str:
    truth = record["truth"]
    kind = "directed" if truth["directed"] else "undirected"
    known_pairs = truth["pairs"] - truth["unknown_pairs"]
    what = f"snapshot {record['snapshot']}" + (f", index version {record['version']}" if record["version"] else "")
    return (
        f"Truth {truth['id']}: {truth['pairs']:,} {kind} pairs, of which the catalog knows both artists of "
        f"{known_pairs:,}. Catalog: {what}."
    )


def _catalog(record: Record) -> str:
    catalog = record["catalog"]
    n = catalog["artists"]
    rows = [[name, f"{count:,}", share(count, n)] for name, count in catalog["modalities"].items()]
    patterns = [
        ["+".join(p["modalities"]) or "nothing", f"{p['artists']:,}", share(p["artists"], n)]
        for p in catalog["patterns"]
    ]
    return table(f"Of {n:,} artists, those with each modality", ["modality", "artists", "share"], rows) + table(
        "and those with exactly these", ["modalities", "artists", "share"], patterns
    )


def _models(record: Record) -> str:
    rows = [
        [name, model["id"], str(model["seed"]), (model["commit"] or "unknown")[:12]]
        for name, model in record["models"].items()
    ]
    return table("Models", ["system", "model", "seed", "trained at commit"], rows) if rows else ""


def _results(record: Record, condition: Mapping[str, Any]) -> str:
    shown = {e["name"]: e["role"] for e in record["systems"] if e["role"] in ("system", "floor")}
    results = [r for r in record["results"] if r["condition"] == condition["name"] and r["system"] in shown]
    reference = results[0]["system"]
    baselines = {d["system"]: d for d in record["differences"] if d["condition"] == condition["name"]}
    k = record["k"]
    head = [
        *("system", f"nDCG@{k}", f"minus {reference}", "covered", f"Gini@{k}", "coverage"),
        *(f"P@{k}", f"R@{k}", "R-precision"),
    ]
    rows, kinds = [], []
    for r in results:
        d = baselines.get(r["system"])
        difference = (
            "" if d is None else f"{signed(d['ndcg'])} <small>[{signed(d['low'])}, {signed(d['high'])}]</small>"
        )
        rows.append(
            [
                escape(r["system"]),
                interval(r, "ndcg"),
                difference,
                percent(r["covered"]),
                interval(r, "gini"),
                percent(r["coverage"]),
                *(number(r[name]) for name in ("precision", "recall", "r_precision")),
            ]
        )
        kinds.append("reference" if r["system"] == reference else shown[r["system"]])
    caption = (
        f"{condition['name']}: {condition['artists']:,} artists are candidates, {condition['queries']:,} of them ask, "
        f"{condition['without_links']:,} have no similar artist here"
    )
    return table(caption, head, rows, kinds, raw=True)


def _subsets(record: Record) -> str:
    """Table 1: one model, masked at inference."""
    conditions = [c["name"] for c in record["conditions"]]
    results = {(r["condition"], r["system"]): r for r in record["results"]}
    tables = []
    for model in dict.fromkeys(e["of"] for e in record["systems"] if e["role"] == "subset"):
        entries = [e for e in record["systems"] if e["role"] == "subset" and e["of"] == model]
        names = [("+".join(e["subset"]), e["name"]) for e in entries] + [("all", model)]
        head = ["given"]
        for c in conditions:
            head += [f"nDCG@{record['k']} {c}", f"Gini {c}", f"covered {c}"]
        rows = []
        for label, system in names:
            row = [escape(label)]
            for c in conditions:
                r = results[c, system]
                row += [interval(r, "ndcg"), number(r["gini"]), percent(r["covered"])]
            rows.append(row)
        caption = f"Table 1. {model}, given some modalities only: the same model, masked and not retrained"
        tables.append(table(caption, head, rows, raw=True))
    return "\n".join(tables)


def _seeds(record: Record) -> str:
    """What differs between trainings that differ in their seed alone, apart from what differs between queries."""
    rows = [
        [
            s["system"],
            s["condition"],
            ", ".join(map(str, s["seeds"])),
            *(spread(s[name]) for name in ("ndcg", "gini")),
            "–" if s["entropy"] is None else spread(s["entropy"]),
            f"± {number(s['ndcg_half_width'])}",
        ]
        for s in record["seeds"]
    ]
    k = record["k"]
    head = ["system", "condition", "seeds", f"nDCG@{k}", f"Gini@{k}", "entropy", f"nDCG@{k}, between queries"]
    caption = (
        "Trained from several seeds: mean ± deviation between seeds; last, half the 95 % interval over queries of the "
        "seeds' mean"
    )
    return table(caption, head, rows) if rows else ""


def _unseen(record: Record) -> str:
    """Queries by artists that neither featurizer nor model was fitted on."""
    rows = [
        [
            u["system"],
            u["condition"],
            *(f"{number(u[g]['ndcg'])} ({u[g]['n_queries']:,})" for g in ("seen", "unseen")),
            f"{signed(u['difference'])} [{signed(u['interval']['low'])}, {signed(u['interval']['high'])}]",
        ]
        for u in record["unseen"]
    ]
    k = record["k"]
    head = ["system", "condition", f"nDCG@{k} seen (queries)", f"nDCG@{k} unseen (queries)", "unseen minus seen"]
    caption = (
        "Queries by artists that neither featurizer nor any of the models learnt from (held out, or without links "
        "where a model has learnt from links), and by the others; the candidates are all artists"
    )
    return table(caption, head, rows) if rows else ""


def _entropies(record: Record) -> str:
    """Table 2."""
    groups = record["groups"]
    if not groups:
        return ""
    rows = [
        [
            g["system"],
            *(spread(g[m]) for m in ("entropy", "ndcg", "ndcg_own")),
            f"{min(g['own_share']):.0%} to {max(g['own_share']):.0%}",
        ]
        for g in groups
    ]
    n, most = len(groups[0]["subsets"]), math.log(len(groups[0]["subsets"]))
    k = record["k"]
    caption = (
        f"Table 2. Mean entropy of the rows of Figure 2 in nats ({most:.3f} at most, for {n} groups) and nDCG of the "
        f"same lists, for noise is even too; mean ± deviation over {len(groups[0]['groupings'])} groupings. A group "
        "that a system cannot embed is a row of entropy 0."
    )
    head = ["system", "entropy", f"nDCG@{k} in the groups", "nDCG in each by itself", "share of the own group"]
    return table(caption, head, rows)


def _correlations(entry: Mapping[str, Any]) -> str:
    return _tau(f"{entry['system']}, fmc: Kendall's tau-b over queries", entry["tau"])


def _without_plays(record: Record) -> str:
    rows = [
        [p["system"], p["condition"], f"{p['rows'][0]['n_queries']:,}", number(p["rows"][0]["ndcg"])]
        for p in record["popularity"]
        if p["by"] == "plays" and p["rows"] and p["rows"][0]["high"] == 0
    ]
    head = ["system", "condition", "queries", f"nDCG@{record['k']}"]
    return table("Queries that nobody plays", head, rows) if rows else ""


def _measures(record: Record) -> str:
    return "\n".join(
        _tau(f"{m['condition']}: Kendall's tau-b over the queries of {m['systems']} systems", m["tau"])
        for m in record["measures"]
    )


def _tau(caption: str, correlations: Mapping[str, Any]) -> str:
    names = [WORDS[name] for name in correlations["names"]]
    rows = [[name, *(signed(value, 3) for value in row)] for name, row in zip(names, correlations["tau"], strict=True)]
    return table(caption, ["", *names], rows)


def _figure(drawn: Mapping[str, str], name: str) -> str:
    return f"<figure>{drawn[name]}<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>" if name in drawn else ""
