"""Every code that a finding can have, with what it means. `docs/data.md` explains what to do about each."""

from typing import Final

FINDING_CODES: Final[dict[str, str]] = {
    # The file as a whole
    "empty_file": "The file has nothing in it.",
    "not_text": "The file is not UTF-8 text: a spreadsheet, an archive, UTF-16.",
    "object_object": "A program sent the words '[object Object]' instead of the file.",
    "json_array": "The file is one JSON document instead of one JSON object a line.",
    "bad_parquet": "The Parquet file cannot be read.",
    "missing_column": "A column that is needed is not there, or it is not clear which one it is.",
    "duplicate_column": "Two columns have the same name.",
    "ambiguous_column": "More than one column could be meant; the first one is used.",
    "no_header": "A file of two columns has no header; it is read as text, label.",
    # Single rows
    "bad_utf8": "A row has bytes that are not UTF-8.",
    "nul_byte": "A row has a NUL character.",
    "bad_unicode": "A text has half of a surrogate pair, which no encoding can write.",
    "broken_quoting": "A quote in a CSV row is opened and not closed, or closed in the middle of a field.",
    "field_count": "A CSV row has more or fewer fields than the header.",
    "bad_json": "A line is not valid JSON.",
    "not_an_object": "A line is valid JSON, but not an object.",
    "missing_field": "A JSON object lacks the text or the label.",
    "wrong_type": "A text is not a string, or a label is neither a string nor a list of strings.",
    "length_mismatch": "There are more texts than labels, or the other way round.",
    "empty_text": "A row without a text; it is left out.",
    "empty_label": "A row without a label.",
    # Labels
    "label_separator_found": "The label column holds several labels in a cell; it is read as multilabel.",
    "label_whitespace": "Labels have white space around them; it is removed.",
    "repeated_label": "A row has the same label twice; it counts once.",
    "number_label": "Labels are numbers; they are used as strings.",
    "mixed_label_types": "Some rows have a list of labels, others a string.",
    "label_variants": "Labels differ only by upper and lower case, white space or what cannot be seen.",
    "one_label": "There are fewer than two labels.",
    "rare_label": "A label has fewer examples than are needed.",
    "rare_label_dropped": "A label with too few examples was taken out.",
    "label_on_every_row": "A label is on every row, so there is nothing to learn about it.",
    "unknown_label": "Rows have labels that the model does not know.",
    # Examples
    "no_examples": "There is no example to learn from.",
    "few_examples": "There are fewer examples in all than are needed.",
    "duplicate_text": "The same text is there more than once.",
    "conflicting_labels": "The same text has different labels.",
    "leaked_text": "The same text is in the training and in the evaluation data.",
    "truncated_text": "A text is longer than the encoder reads at once; the rest is cut or read in further windows.",
    "length_unchecked": "The lengths of the texts were not looked at.",
    "labels_unchecked": "Whether labels are wrong was not looked at.",
    "base_language": "The base does not fit the languages of the texts.",
    "language_unchecked": "The languages of the texts were not looked at.",
    # Labels, as models that have not seen the text see them
    "suspect_label": "A label is likely to be wrong.",
    "near_conflict": "Two texts are nearly the same and have different labels.",
    "near_leak": "A text to evaluate on is nearly the same as one in the training data.",
    "confused_labels": "Two labels are taken for each other so often that they may mean the same.",
    "weak_label": "A label is recognised badly and would gain most from more examples.",
    # Advice
    "imbalance": "One label has more than ten times as many examples as another.",
    "markup": "Texts contain markup.",
    "urls": "Texts contain URLs.",
    "boilerplate": "The same sentence is in many texts.",
    "alike_examples": "The examples of a label are nearly alike.",
}
