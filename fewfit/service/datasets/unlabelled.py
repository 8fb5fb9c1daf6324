"""Unlabelled texts that come with a request: checked, kept as a file, read by the job that learns from them."""

import json
from collections.abc import Sequence
from typing import Final

from fewfit.errors import InputError
from fewfit.service.names import check_unicode
from fewfit.service.records import StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.uploads import store_file

UNLABELLED: Final = "unlabelled"
MOST_TEXTS: Final = 50_000


def check_texts(texts: Sequence[str], field: str, *, least: int = 1) -> None:
    """Raises InputError for too many texts, too few different ones, and those that are empty or no valid Unicode."""
    n_different = len(set(texts))
    if n_different < least or len(texts) > MOST_TEXTS:
        raise InputError(
            f"There are {len(texts):,} texts, {n_different:,} of them different; expected {least} different ones "
            f"at least and {MOST_TEXTS:,} texts at most."
        )
    for place, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"{field}[{place}] is empty; expected a text.")
        check_unicode(text, f"{field}[{place}]")


def keep_texts(database: Database, files: FileStore, organization_id: str, texts: Sequence[str]) -> StoredFile:
    """The texts as a file that waits to be claimed."""
    stream, path = files.new_file()
    with stream:
        stream.write(json.dumps(list(texts)).encode())
    try:
        return store_file(database, files, organization_id, path, "texts.json")
    finally:
        path.unlink(missing_ok=True)


def read_texts(files: FileStore, file: StoredFile) -> list[str]:
    """The texts of a file that `keep_texts` made."""
    with files.open(file.sha256) as stream:
        return list(json.load(stream))
