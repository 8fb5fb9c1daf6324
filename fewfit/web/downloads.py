"""Files that are sent for keeping."""

import re
from urllib.parse import quote

# What cannot stand in a quoted string of a header, and what is not of the characters that headers have.
_UNQUOTABLE = re.compile(r'[^\x20-\x7e]|["\\%]')


def attachment(filename: str) -> str:
    """The Content-Disposition of a file of any name (RFC 6266): plain for old clients, and as it is."""
    plain = _UNQUOTABLE.sub("_", filename)
    value = f'attachment; filename="{plain}"'
    return value if plain == filename else f"{value}; filename*=UTF-8''{quote(filename, safe='')}"
