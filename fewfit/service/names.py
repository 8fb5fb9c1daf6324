"""Names and ids that come from outside: what they may be, and how they become ids."""

import re
import secrets
import unicodedata
import uuid

from fewfit.errors import InputError

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,94}")
_SLUG_LENGTH = 40
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
FINE_TUNED_SUFFIX = "-ft"


def check_name(name: str, what: str, *, longest: int) -> str:
    """A name as it is kept. Raises InputError where it is empty, too long or cannot be shown."""
    kept = name.strip()
    if not kept:
        raise InputError(f"The {what} is empty; give one of 1 to {longest} characters.")
    if len(kept) > longest:
        raise InputError(f"The {what} has {len(kept)} characters; at most {longest} are allowed.")
    # Cc: control characters (NUL cannot be stored), Cs: halves of surrogate pairs (no encoding writes them).
    bad = next((character for character in kept if unicodedata.category(character) in ("Cc", "Cs")), None)
    if bad is not None:
        raise InputError(f"The {what} has the character U+{ord(bad):04X}, which cannot be shown. Remove it.")
    return kept


def new_dataset_id(name: str) -> str:
    """An id that shows its dataset's name: the name in plain letters, and six random ones."""
    return f"{new_slug(name, 'dataset')}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


def new_slug(name: str, otherwise: str) -> str:
    """A name in plain letters, digits and hyphens, fit for ids and files."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:_SLUG_LENGTH].strip("-") or otherwise


def is_dataset_id(value: str) -> bool:
    """Whether a dataset could have this id; what could not need not be looked for."""
    return _ID.fullmatch(value) is not None


def model_uuid(value: str) -> str | None:
    """The id of a model, given with or without `-ft`; None where no model could have it."""
    try:
        return str(uuid.UUID(value.removesuffix(FINE_TUNED_SUFFIX)))
    except ValueError:
        return None


def check_unicode(text: str, where: str) -> None:
    """Raises InputError for text with half of a surrogate pair, which no encoding writes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where} is not valid Unicode: character {error.start + 1} is half of a surrogate pair."
        ) from None
