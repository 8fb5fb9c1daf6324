"""What the README shows is what happens, with the real weights."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.weights
def test_the_python_snippet_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, object] = {}
    exec(compile(blocks[0], str(README), "exec"), names)
    report = names["report"]
    assert report.n_texts == 72  # type: ignore[attr-defined]
    assert report.gain["accuracy"] > 0  # type: ignore[attr-defined]
    assert (tmp_path / "model" / "model.json").is_file()
    assert names["clf"].predict(["please stop my membership on Friday"]) == ["cancellation"]  # type: ignore[attr-defined]
