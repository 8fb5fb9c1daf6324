import json
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.harness.chart import grid_svg
from benchmarks.harness.load_report import chart, report
from benchmarks.harness.wrk import Ask, Traffic, lua


def a_row(server: str, clients: int, texts: int, rate: float, **more: Any) -> dict[str, Any]:
    return {
        "server": server,
        "clients": clients,
        "texts": texts,
        "texts_per_s": [rate],
        "p50_ms": [5.0],
        "p95_ms": [8.0],
        "p99_ms": [10.0],
        "cpu_ms": [4.0],
        "refused": 0,
        "broken": 0,
        "part": "alone",
        "engine": {"precision": "int8", "texts_per_s": [300.0], "single_ms": [3.5], "cpu_ms": [3.0]},
        "base": "english-small",
        "median_tokens": 20.0,
        "server_cores": 1,
        "seconds": 3,
        "machine": {"cpu": "a CPU", "flags": ["avx2"]},
        "load": 0.1,
        "revision": "abc",
    } | more


ROWS = [
    a_row("fewfit", 1, 1, 200.0),
    a_row("fewfit", 64, 1, 270.0),
    a_row("setfit-fastapi", 1, 1, 50.0),
    a_row("setfit-fastapi", 64, 1, 30.0),
    a_row("fewfit", 8, 1, 200.0, part="without training"),
    a_row("fewfit", 8, 1, 150.0, part="beside training", p99_ms=[15.0]),
]


def test_the_tables_say_how_near_the_goals_are() -> None:
    text = "\n".join(report(ROWS))
    assert "reach 90 % of the engine's own rate" in text
    assert "adds 1.50 ms" in text
    assert "75 % of what the server uses" in text
    assert "Beside setfit-fastapi: 4.0 to 9.0 times" in text
    assert any(line.startswith("| 8 × 1 ") and line.endswith(" 1.50 |") for line in text.splitlines())


def test_the_chart_shows_multiples_of_the_plain_server() -> None:
    texts = [node.text for node in ElementTree.fromstring(chart(ROWS)).iter("{http://www.w3.org/2000/svg}text")]
    assert "4.0 ×" in texts
    assert "9.0 ×" in texts


def test_a_grid_is_valid_and_marks_what_is_missing() -> None:
    picture = grid_svg("<title>", "note & more", ("texts", [1, 96]), ("clients", [8]), {(1, 8): 120.0})
    texts = [node.text for node in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"<title>", "note & more", "120 ×", "–", "96", "8"} <= set(texts)


def test_refused_requests_are_not_counted_as_answered() -> None:
    assert Traffic(100, 2.0, 20, 0, 1.0, 1.0, 1.0).answered_per_s == 40


def test_a_request_has_its_texts_between_what_stands_around_them() -> None:
    ask = Ask("http://127.0.0.1/x", '{"model":"m","inputs":[', "]}", {})
    assert json.loads(ask.body(['a "quote"', "ü"])) == {"model": "m", "inputs": ['a "quote"', "ü"]}


@pytest.mark.parametrize("text", ['a "b" \\n', "tab\t and ü 💳", "%d"])
def test_strings_reach_lua_byte_by_byte(text: str) -> None:
    inner = lua(text)[1:-1]
    # Decimal escapes mean the same in Lua and, as octal ones of printf, do not: undo them by hand.
    found, place = bytearray(), 0
    while place < len(inner):
        if inner[place] == "\\":
            found.append(int(inner[place + 1 : place + 4]))
            place += 4
        else:
            found.append(ord(inner[place]))
            place += 1
    assert found.decode() == text
