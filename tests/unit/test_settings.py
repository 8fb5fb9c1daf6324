from pathlib import Path

import pytest

from fewfit.errors import InputError
from fewfit.settings import Settings, settings_markdown

DOCS = Path(__file__).parents[2] / "docs" / "service.md"


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"FEWFIT_PORT": "9000", "FEWFIT_HOST": "0.0.0.0", "FEWFIT_MAX_ATTEMPTS": "5"}
    settings = Settings.load({"port": "9001", "host": None}, environ=environ)
    assert (settings.port, settings.host, settings.max_attempts, settings.lease_s) == (9001, "0.0.0.0", 5, 30.0)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"FEWFIT_PORT": "many"}, "FEWFIT_PORT is 'many'; expected a whole number"),
        ({"FEWFIT_PORT": "-1"}, "port is -1; expected at least 0"),
        ({"FEWFIT_LEASE_S": "soon"}, "FEWFIT_LEASE_S is 'soon'; expected a number"),
        ({"FEWFIT_EFFORT": "heroic"}, "quick, balanced, thorough"),
        ({"FEWFIT_PUBLIC_URL": "example.org"}, "expected http://"),
        ({"FEWFIT_LEASE_S": "nan"}, "lease_s"),
        ({"FEWFIT_MAX_WAITING_TEXTS": "95"}, "max_waiting_texts is 95; expected at least the max_inputs 96"),
    ],
)
def test_a_wrong_value_names_itself_and_what_was_expected(environ: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings.load(environ=environ)


def test_an_unknown_flag_is_an_error() -> None:
    with pytest.raises(InputError, match="'prot'"):
        Settings.load({"prot": 1}, environ={})


def test_settings_survive_the_way_through_the_environment() -> None:
    settings = Settings(port=1234, data=Path("/somewhere/else"), default_base="english", lease_s=2.5)
    assert Settings.load(environ=settings.to_environ()) == settings


def test_every_setting_is_in_the_docs() -> None:
    assert settings_markdown() in DOCS.read_text(encoding="utf-8"), (
        "The table in docs/service.md is an old one; put in what fewfit.settings.settings_markdown() gives."
    )
