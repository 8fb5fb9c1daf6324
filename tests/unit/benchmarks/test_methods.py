from pathlib import Path

import pytest

from benchmarks.harness.errors import UsageError
from benchmarks.harness.methods import digest_of, parse_methods, refusal


def test_a_method_is_named_with_its_settings_and_size() -> None:
    plain, quick, everything = parse_methods(["frozen", "fewfit:effort=quick:steps=30:clean=true", "tfidf@all"])
    assert (plain.settings, plain.size, plain.label) == ({}, None, "frozen")
    assert quick.settings == {"effort": "quick", "steps": 30, "clean": True}
    assert quick.label == "fewfit:clean=true:effort=quick:steps=30"
    assert everything.size == "all"


def test_a_label_can_be_read_again() -> None:
    (method,) = parse_methods(["fewfit:effort=quick:learning_rate=0.0002"])
    assert parse_methods([method.label]) == [method]


def test_the_cap_on_steps_is_for_setfit_that_has_no_other() -> None:
    capped, own, frozen = parse_methods(["setfit", "setfit:max_steps=5", "frozen"], setfit_max_steps=100)
    assert [method.settings for method in (capped, own, frozen)] == [{"max_steps": 100}, {"max_steps": 5}, {}]


def test_what_is_fixed_reaches_the_worker_without_being_a_setting() -> None:
    (method,) = parse_methods(["frozen-threshold:C=2"])
    assert method.all_settings == {"threshold": "cv", "C": 2}
    assert method.label == "frozen-threshold:C=2"


@pytest.mark.parametrize(
    ("name", "said"),
    [("bert", "no method 'bert'.*setfit"), ("setfit:fast", "'fast' is no setting; expected key=value")],
)
def test_what_is_not_understood_is_said(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_methods([name])


def test_refusals_say_why() -> None:
    setfit, capped, threshold = parse_methods(["setfit", "setfit:max_steps=9", "frozen-threshold"])
    assert "--setfit-max-steps" in (refusal(setfit, "single", "all") or "")
    assert refusal(capped, "single", "all") is None
    assert refusal(setfit, "multi", "100") is None
    assert "for multilabel tasks" in (refusal(threshold, "single", "8") or "")


def test_the_digest_of_code_changes_with_what_it_does_only(tmp_path: Path) -> None:
    path = tmp_path / "method.py"

    def digest(code: str) -> str:
        path.write_text(code, encoding="utf-8")
        return digest_of([path])

    first = digest('"""About."""\n\n\ndef f(x: int) -> int:\n    """Adds."""\n    return x + 1\n')
    assert digest("def f(x: int) -> int:\n    return x + 1  # one more\n") == first
    assert digest("def f(x: int) -> int:\n    return x + 2\n") != first
