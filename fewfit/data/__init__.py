"""Labelled texts: read them, check them, repair them, split them, write them.

    data, report = read_dataset("tickets.csv")      # every problem is in the report, by row
    report = report.merge(validate(data))           # enough examples? copies? conflicts? languages? advice
    report.raise_for_errors("tickets.csv")          # DataError that lists all errors
    train, test = stratified_split(data, seed=0)    # copies of a text stay on one side

Nothing in here knows of models: whoever has one hands in `count_tokens`.
"""

from fewfit.data.cleaning import clean_text
from fewfit.data.codes import FINDING_CODES
from fewfit.data.dataset import Dataset, Example, Kind, ReadAs
from fewfit.data.keys import new_texts, text_key
from fewfit.data.language import LanguageMix, language_mix
from fewfit.data.reading import FileFormat, read_dataset
from fewfit.data.repairs import (
    drop_duplicates,
    drop_rare_labels,
    keep_known_labels,
    merge_label_variants,
    rename_labels,
)
from fewfit.data.report import Finding, Report, Severity
from fewfit.data.splits import stratified_folds, stratified_split
from fewfit.data.texts import TextRow, read_texts
from fewfit.data.validation import LongTexts, Requirements, check_conflicts, check_leakage, check_spellings, validate
from fewfit.data.writing import write_dataset

__all__ = [
    "FINDING_CODES",
    "Dataset",
    "Example",
    "FileFormat",
    "Finding",
    "Kind",
    "LanguageMix",
    "LongTexts",
    "ReadAs",
    "Report",
    "Requirements",
    "Severity",
    "TextRow",
    "check_conflicts",
    "check_leakage",
    "check_spellings",
    "clean_text",
    "drop_duplicates",
    "drop_rare_labels",
    "keep_known_labels",
    "language_mix",
    "merge_label_variants",
    "new_texts",
    "read_dataset",
    "read_texts",
    "rename_labels",
    "stratified_folds",
    "stratified_split",
    "text_key",
    "validate",
    "write_dataset",
]
