"""A tour in a minute: fine-tunes on the examples that come with fewfit and shows what it brings.

Run it with `fewfit demo`, or `python -m fewfit.demo`.
"""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fewfit.classifier import Classifier
from fewfit.samples import MultiSample, SingleSample, about_sample, load_sample
from fewfit.training import Evaluation, Event

BASE = "english-small"
_SHOWN = {
    "accuracy": "accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "loss": "log-loss (lower is better)",
}
# Written for this tour; they are in none of the sets.
_UNSEEN: dict[str, tuple[str, ...]] = {
    "support": (
        "you have billed me twice for the same order, why?",
        "the courier says it was handed over but nobody here has seen it",
        "how do I get back in after changing my phone number",
        "please stop my membership before it renews on Friday",
    ),
    "tickets": (
        "App freezes on my tablet whenever I open last month's invoice.",
        "Could you let us export the whole history as a spreadsheet some day?",
        "Nobody at our office can sign in and doors open in ten minutes!",
        "Thanks for the quick help yesterday, all good now.",
    ),
}


def main() -> None:
    """Trains on two of the sample sets and prints what happens."""
    console = Console()
    started_s = time.monotonic()
    for name in ("support", "tickets"):
        _tour(console, name)
    console.print(
        f"\nBoth in {time.monotonic() - started_s:.0f} s. Your own data: [bold]fewfit train data.csv -o model/[/]"
    )


def _tour(console: Console, name: SingleSample | MultiSample) -> None:
    about = about_sample(name)
    texts, labels = load_sample(name, "train")
    test_texts, test_labels = load_sample(name, "test")
    console.rule(f"[bold]{about.title}", align="left")
    console.print(about.summary)
    console.print(
        f"{len(texts)} texts to train on, {len(test_texts)} others to test with; "
        f"{len(about.labels)} labels: {', '.join(label.name for label in about.labels)}."
    )
    classifier = Classifier(base=BASE, seed=0)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("Starting", total=None)

        def show(event: Event) -> None:
            progress.update(task, description=event.stage, total=event.total_steps, completed=event.step)

        started_s = time.monotonic()
        classifier.fit(texts, labels, on_event=show)
    elapsed_s = time.monotonic() - started_s
    manifest = classifier.manifest_
    console.print(
        f"Fine-tuned {manifest.base.tail_in_words} of {manifest.base.name} "
        f"in {elapsed_s:.0f} s ({manifest.training['steps']} steps)."
    )
    console.print(_metrics(classifier.evaluate(test_texts, test_labels)))
    console.print(_answers(classifier, _UNSEEN[name]))


def _metrics(report: Evaluation) -> Table:
    table = Table(title=f"On {report.n_texts} texts that it has not seen", title_justify="left")
    table.add_column("")
    for column in ("frozen base", "fine-tuned", "gain"):
        table.add_column(column, justify="right")
    after = report.metrics.numbers()
    before, gain = report.frozen, report.gain
    assert before is not None
    assert gain is not None, "a classifier that was just fitted has its base at hand"
    for key, title in _SHOWN.items():
        was = before.numbers()[key]
        if key == "loss":
            table.add_row(title, f"{was:.2f}", f"{after[key]:.2f}", f"{gain[key]:+.2f}")
        else:
            table.add_row(title, f"{100 * was:.1f} %", f"{100 * after[key]:.1f} %", f"{100 * gain[key]:+.1f}")
    return table


def _answers(classifier: Classifier, texts: Sequence[str]) -> Table:
    table = Table(title="A few more texts", title_justify="left", show_lines=False)
    table.add_column("text")
    table.add_column("answer")
    names = [str(name) for name in classifier.classes_]
    for text, answer, row in zip(texts, classifier.predict(texts), classifier.predict_proba(texts), strict=True):
        given = [answer] if isinstance(answer, str) else list(answer)
        shown = ", ".join(f"{label} ({row[names.index(label)]:.2f})" for label in given)
        table.add_row(text, shown or "none of them")
    return table


if __name__ == "__main__":
    main()
