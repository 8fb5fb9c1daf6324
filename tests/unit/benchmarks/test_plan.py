from pathlib import Path

import pytest

from benchmarks.harness.errors import UsageError
from benchmarks.harness.methods import parse_methods
from benchmarks.harness.plan import Base, Plan, plan
from benchmarks.harness.tasks import EvaluationData

BASE = Base("toy", Path("toy"), "0123", "")


def planned(data: EvaluationData, tasks: str, methods: str, sizes: str, seeds: list[int]) -> Plan:
    return plan(
        data, data.trials(tasks.split(",")), sizes.split(","), seeds, parse_methods(methods.split(",")), [BASE], 1
    )


def test_all_methods_on_a_sample_follow_each_other_and_take_turns(data: EvaluationData) -> None:
    found = planned(data, "drinks", "fewfit,setfit", "8,16", [0, 1])
    assert [str(step) for step in found.steps] == [
        "drinks, size 8, seed 0, fewfit",
        "drinks, size 8, seed 0, setfit",
        "drinks, size 16, seed 0, fewfit",
        "drinks, size 16, seed 0, setfit",
        "drinks, size 8, seed 1, setfit",
        "drinks, size 8, seed 1, fewfit",
        "drinks, size 16, seed 1, setfit",
        "drinks, size 16, seed 1, fewfit",
    ]


def test_what_is_the_same_for_every_seed_is_run_once_on_all_rows(data: EvaluationData) -> None:
    found = planned(data, "drinks", "tfidf@all,fewfit", "all", [0, 1])
    assert [(step.method.name, step.size, step.seed) for step in found.steps] == [
        ("fewfit", "all", 0),
        ("tfidf", "all", 0),
        ("fewfit", "all", 1),
    ]


def test_what_has_no_samples_is_left_out_and_said(data: EvaluationData) -> None:
    found = planned(data, "drinks,topics", "fewfit,frozen-threshold", "8,40", [0])
    assert [str(step) for step in found.steps] == [
        "drinks, size 8, seed 0, fewfit",
        "topics, size 40, seed 0, fewfit",
        "topics, size 40, seed 0, frozen-threshold",
    ]
    assert found.left_out == [
        "drinks: frozen-threshold is for multilabel tasks",
        "drinks: there are no samples of size 40",
        "topics: there are no samples of size 8",
    ]


def test_a_plan_of_nothing_is_an_error(data: EvaluationData) -> None:
    with pytest.raises(UsageError, match="Nothing can be measured:\n  topics: there are no samples of size 8"):
        planned(data, "topics", "fewfit", "8", [0])


def test_a_method_without_a_base_is_planned_once_for_all_bases(data: EvaluationData) -> None:
    other = Base("other", Path("other"), "4567", "query: ")
    methods = parse_methods(["tfidf", "frozen"])
    found = plan(data, data.trials(["drinks"]), ["8"], [0], methods, [BASE, other], 1)
    assert [(step.method.name, step.base.name) for step in found.steps] == [
        ("tfidf", "toy"),
        ("frozen", "toy"),
        ("frozen", "other"),
    ]
