"""Names of bases that requests may have: ours, and those that programs written for Cohere send along."""

import re
from collections.abc import Collection

_COHERE_BASE = re.compile(
    r"(cohere[./-])?((embed-)?(english|multilingual)(-light)?-v\d.*|embed-v\d.*|multilingual-\d.*"
    r"|(command|rerank|c4ai)(-.*)?|(base|small|medium|large|xlarge)(-light|-\d.*)?|light|default)(?<!-ft)",
    re.IGNORECASE,
)


def means_a_base(name: str, bases: Collection[str]) -> bool:
    """Whether a name is one of our `bases`, of the retired service's ("embed-english-v3.0"), or empty: the default."""
    return not name or name in bases or _COHERE_BASE.fullmatch(name) is not None
