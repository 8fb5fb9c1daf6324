"""What a run of load.py says: tables in Markdown and one chart."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.harness.answering import summary
from benchmarks.harness.chart import grid_svg
from benchmarks.harness.markdown import table

OURS, PLAIN = "fewfit", "setfit-fastapi"


def report(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The tables of one run."""
    first = rows[0]
    machine = first["machine"]
    alone = [row for row in rows if row["part"] == "alone"]
    engine = alone[0]["engine"]
    rate, single_ms = median(engine["texts_per_s"]), median(engine["single_ms"])
    lines = [
        (
            f"Base {first['base']}, texts of {first['median_tokens']:.0f} tokens (median); every server on "
            f"{first['server_cores']} core(s) of {machine['cpu']} ({', '.join(machine['flags'])}), wrk on the others; "
            f"measurements of {first['seconds']} s, median and range; load {first['load']}, "
            f"revision {first['revision']}."
        ),
        "",
        (
            f"The engine alone, without HTTP, on the same core(s), in {engine['precision']}: "
            f"{summary(engine['texts_per_s'])} texts/s of a full queue, {median(engine['cpu_ms']):.2f} ms of CPU "
            f"a text, {_range(engine['single_ms'])} ms for one text."
        ),
        "",
        *table(
            [
                "server",
                "clients",
                "texts a request",
                "texts/s",
                "of the engine",
                "CPU ms a text",
                "p50 ms",
                "p95 ms",
                "p99 ms",
                "refused",
            ],
            [
                [
                    row["server"],
                    str(row["clients"]),
                    str(row["texts"]),
                    summary(row["texts_per_s"]),
                    f"{100 * median(row['texts_per_s']) / rate:.0f} %",
                    f"{median(row['cpu_ms']):.2f}",
                    *(_range(row[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
                    str(row["refused"] + row["broken"]),
                ]
                for row in sorted(alone, key=lambda row: (row["clients"], row["texts"], row["server"]))
            ],
        ),
        *_goals(alone, rate, single_ms),
        "",
    ]
    lines += _beside([row for row in rows if row["part"] in ("without training", "beside training")])
    return lines + _fast([row for row in rows if row["part"] in ("in full", "fast tier")])


def chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many times as many texts a second as SetFit behind FastAPI with as many clients, as SVG."""
    alone = [row for row in rows if row["part"] == "alone"]
    plain = {row["clients"]: median(row["texts_per_s"]) for row in alone if row["server"] == PLAIN}
    ours = [row for row in alone if row["server"] == OURS]
    values = {
        (row["texts"], row["clients"]): median(row["texts_per_s"]) / plain[row["clients"]]
        for row in ours
        if plain.get(row["clients"])
    }
    return grid_svg(
        "Texts a second: fewfit as a multiple of SetFit behind FastAPI",
        f"{rows[0]['base']}, one text a request there; {rows[0]['server_cores']} core of {rows[0]['machine']['cpu']}",
        ("texts a request", sorted({row["texts"] for row in ours})),
        ("clients", sorted({row["clients"] for row in ours})),
        values,
    )


def _goals(alone: Sequence[Mapping[str, Any]], rate: float, single_ms: float) -> list[str]:
    """The figures that have goals, in words."""
    ours = {(row["clients"], row["texts"]): row for row in alone if row["server"] == OURS}
    lines = []
    if (64, 1) in ours:
        share = median(ours[64, 1]["texts_per_s"]) / rate
        by_cpu = median(alone[0]["engine"]["cpu_ms"]) / median(ours[64, 1]["cpu_ms"])
        lines.append(
            f"- By CPU time, which other work on the machine hardly changes, {100 * by_cpu:.0f} % of what the server "
            "uses for 64 connections with single texts is the engine's own work."
        )
        lines.append(
            f"- 64 connections with single texts reach {100 * share:.0f} % of the engine's own rate (goal: 85)."
        )
    if (1, 1) in ours:
        added = median(ours[1, 1]["p50_ms"]) - single_ms
        lines.append(f"- An idle server adds {added:.2f} ms to the engine's own time for one text (goal: at most 3).")
    for name in sorted({row["server"] for row in alone} - {OURS}):
        cells = [(row["clients"], row["texts"], row) for row in alone if row["server"] == name]
        ratios = [
            median(ours[clients, n_texts]["texts_per_s"]) / median(row["texts_per_s"])
            for clients, n_texts, row in cells
            if (clients, n_texts) in ours and median(row["texts_per_s"])
        ]
        if ratios:
            lines.append(f"- Beside {name}: {min(ratios):.1f} to {max(ratios):.1f} times as many texts a second.")
    return lines


def _beside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Our server with and without a training job on the same cores."""
    if not rows:
        return []
    parts = {(row["part"], row["clients"], row["texts"]): row for row in rows}
    cells = sorted({(row["clients"], row["texts"]) for row in rows})
    shown = []
    for clients, n_texts in cells:
        without = parts["without training", clients, n_texts]
        beside = parts["beside training", clients, n_texts]
        shown.append(
            [
                f"{clients} × {n_texts}",
                summary(without["texts_per_s"]),
                summary(beside["texts_per_s"]),
                _range(without["p50_ms"]),
                _range(beside["p50_ms"]),
                _range(without["p99_ms"]),
                _range(beside["p99_ms"]),
                f"{median(beside['p99_ms']) / median(without['p99_ms']):.2f}",
            ]
        )
    return [
        (
            "fewfit on all cores, wrk beside it, without and with a training job on the same cores "
            "(goal: a p99 that at most doubles):"
        ),
        "",
        *table(["clients × texts", "texts/s", "beside", "p50 ms", "beside", "p99 ms", "beside", "p99 ratio"], shown),
    ]


def _fast(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Our server with and without the fast tier."""
    if not rows:
        return []
    return [
        "",
        (
            f"fewfit on all cores, wrk beside it, a model of `{rows[0]['task']}` at 64 examples a label with a "
            "fast tier (1 % of answers may change; goal: 2,000 texts/s):"
        ),
        "",
        *table(
            ["clients × texts", "speed", "texts/s", "p50 ms", "p99 ms"],
            [
                [
                    f"{row['clients']} × {row['texts']}",
                    row["part"],
                    summary(row["texts_per_s"]),
                    _range(row["p50_ms"]),
                    _range(row["p99_ms"]),
                ]
                for row in sorted(rows, key=lambda row: (row["clients"], row["texts"], row["part"]))
            ],
            n_text_columns=2,
        ),
    ]


def _range(values: Sequence[float]) -> str:
    """Median and range of milliseconds."""
    return f"{median(values):,.1f} ({min(values):,.1f}–{max(values):,.1f})"
