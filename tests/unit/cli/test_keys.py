from pathlib import Path

from tests.unit.cli.conftest import Run


def test_where_no_service_is_none_is_made(run: Run, tmp_path: Path) -> None:
    for command in (["list"], ["revoke", "abc"]):
        ran = run("keys", *command, "--data", tmp_path / "nope")
        assert ran.exit_code == 3
        assert "There is no service in" in ran.stderr
        assert "--data" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_not_there_is_an_input_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    assert run("keys", "create", "shop", "--data", tmp_path / "data").exit_code == 0
    assert "shop" in run("keys", "list", "--data", tmp_path / "data").stdout

    ran = run("keys", "revoke", "abc", "--data", tmp_path / "data")

    assert ran.exit_code == 3
    assert "There is no key 'abc'." in ran.stderr
