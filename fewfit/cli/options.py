"""Options that several commands share, so that the same words mean the same everywhere."""

from typing import Annotated, Literal

import typer

_READING = "Reading the data"
_OUTPUT = "Output"

TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column", metavar="NAME", help="Column with the texts. Found if left out.", rich_help_panel=_READING
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column", metavar="NAME", help="Column with the labels. Found if left out.", rich_help_panel=_READING
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHAR",
        help="What separates the columns of a CSV file; \\t for a tab. Found if left out.",
        rich_help_panel=_READING,
    ),
]
LabelSeparator = Annotated[
    str | None,
    typer.Option(
        "--label-separator",
        metavar="TEXT",
        help="What separates several labels in a cell, such as '|'. Makes the data multilabel.",
        rich_help_panel=_READING,
    ),
]
KindOption = Annotated[
    Literal["single", "multi"] | None,
    typer.Option(
        "--kind",
        help="One label a text (single), or none, one or several (multi). Found if left out.",
        rich_help_panel=_READING,
    ),
]
FileFormatOption = Annotated[
    Literal["csv", "tsv", "jsonl", "parquet"] | None,
    typer.Option("--file-format", help="Format of the file. Found if left out.", rich_help_panel=_READING),
]
SkipMalformed = Annotated[
    bool,
    typer.Option(
        "--skip-malformed", help="Leave out rows that cannot be read, with a warning.", rich_help_panel=_READING
    ),
]
Clean = Annotated[bool, typer.Option("--clean", help="Take markup and URLs out of the texts.")]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length",
        metavar="TOKENS",
        min=1,
        help="How many tokens of a text are read at once, up to 512. The base's own default if left out.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.", rich_help_panel=_OUTPUT)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on standard error.", rich_help_panel=_OUTPUT)]


def character(delimiter: str | None) -> str | None:
    """The delimiter that was meant: shells make a tab hard to type."""
    return {"\\t": "\t", "tab": "\t"}.get(delimiter or "", delimiter)
