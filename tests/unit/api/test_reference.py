"""Every endpoint and every status is in the docs and on the reference page."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from fewfit.api.app import create_api
from fewfit.api.reference import page
from fewfit.settings import Settings
from fewfit.web.errors import STATUS_BY_CODE

DESCRIPTION = create_api(Mock(), Settings()).openapi()
ENDPOINTS = [f"{method.upper()} {path}" for path, methods in DESCRIPTION["paths"].items() for method in methods]
DOCS = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_is_documented(endpoint: str) -> None:
    assert f"`{endpoint}`" in DOCS


@pytest.mark.parametrize("status", sorted({400, 401, 499, *STATUS_BY_CODE.values()}))
def test_a_status_is_documented(status: int) -> None:
    assert f"{status}" in DOCS.partition("## Errors")[2].partition("\n## ")[0]


def test_the_page_shows_every_endpoint_and_field() -> None:
    shown = page(DESCRIPTION)
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in shown
            for parameter in operation.get("parameters", []):
                assert f"<code>{parameter['name']}</code>" in shown
    for field in ("finetune_dataset_metrics", "classification_type", "early_stopping_patience", "eval_data"):
        assert field in shown


def test_every_operation_is_described() -> None:
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)


def test_no_answer_is_described_with_422() -> None:
    assert all("422" not in one["responses"] for methods in DESCRIPTION["paths"].values() for one in methods.values())
