import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text()


def test_the_examples_on_the_page_run() -> None:
    snippets = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)

    assert snippets
    for snippet in snippets:
        exec(compile(snippet, "docs/data.md", "exec"), {})
