"""`fewfit explain`: why texts get their answers."""

import itertools
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from fewfit.classifier import Explanation
from fewfit.cli.app import app
from fewfit.cli.console import say, show, show_json, show_log
from fewfit.cli.model import open_model
from fewfit.cli.options import Delimiter, Json, Quiet, TextColumn, character
from fewfit.data import read_texts
from fewfit.data.report import listed

_SHOWN = 0.25  # logits: words of less weight are not coloured


@app.command()
def explain(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    texts: Annotated[
        Path | None,
        typer.Argument(
            help="A file with texts: plain text (one a line), CSV, TSV, JSONL or Parquet. Nothing: standard input.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", help="A text, instead of a file; may be given more than once.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="What speaks for this label, instead of the surest.")
    ] = None,
    n_examples: Annotated[int, typer.Option("--examples", metavar="N", min=0, help="Training examples to show.")] = 3,
    n_words: Annotated[
        int,
        typer.Option("--words", metavar="N", min=0, help="How often a text may be asked about without a part of it."),
    ] = 48,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Texts to explain, at most.")] = 20,
    text_column: TextColumn = None,
    delimiter: Delimiter = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the training examples nearest to a text, and the words that carried the decision.

    A word's weight is how far the label's log-odds fall when the word is left out.

    **Example:** `fewfit explain tickets-model/ --text "my card was charged twice"`
    """
    if text and texts is not None:
        raise typer.BadParameter("Give a file or --text, not both.")
    if any(not each.strip() for each in text or []):
        raise typer.BadParameter("--text is empty; give a text to explain.")
    show_log(quiet=quiet)
    asked = list(text or [])
    if not asked:
        rows = read_texts(
            sys.stdin.buffer if texts is None or str(texts) == "-" else texts,
            text_column=text_column,
            delimiter=character(delimiter),
        )
        asked = [row.text for row in itertools.islice(rows, limit + 1)]
    if not quiet and len(asked) > limit:
        which = "text is" if limit == 1 else f"{limit:,} texts are"
        say(f"Only the first {which} explained; --limit takes more.", style="yellow")
    if not quiet and not asked:
        say("There were no texts.")
    classifier = open_model(model, None, quiet=quiet)
    explanations = classifier.explain(asked[:limit], label=label, n_examples=n_examples, n_words=n_words)
    rejected = classifier.answers(asked[:limit]).rejected.tolist() if asked else []
    if as_json:
        show_json([{**each.to_dict(), "rejected": out} for each, out in zip(explanations, rejected, strict=True)])
        return
    for explanation, out in zip(explanations, rejected, strict=True):
        show(_table(explanation, rejected=out))


def _table(explanation: Explanation, *, rejected: bool) -> Table:
    table = Table(title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("text", _coloured(explanation))
    table.add_row("label", Text(f"{explanation.label} ({explanation.confidence:.2f})"))
    if rejected:
        table.add_row("rejected", Text("The text is unlike all training texts: 'fewfit classify' gives it no label."))
    strongest = sorted(explanation.words, key=lambda word: -abs(word.weight))[:5]
    if strongest:
        table.add_row("words", Text(", ".join(f"{word.text} {word.weight:+.2f}" for word in strongest)))
    for number, example in enumerate(explanation.examples):
        line = f"{example.similarity:.2f}  {listed(example.labels, shown=5) or 'no label'}: {example.text}"
        table.add_row("" if number else "nearest", Text(line))
    return table


def _coloured(explanation: Explanation) -> Text:
    shown = Text(explanation.text)
    for word in explanation.words:
        if abs(word.weight) >= _SHOWN:
            shown.stylize("bold green" if word.weight > 0 else "red", word.start, word.end)
    return shown
