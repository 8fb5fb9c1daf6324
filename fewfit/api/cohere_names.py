"""Names of bases that programs written for Cohere send along: here they stand for a base of ours."""

import re

_COHERE_BASE = re.compile(
    r"(cohere[./-])?((embed-)?(english|multilingual)(-light)?-v\d.*|embed-v\d.*|multilingual-\d.*"
    r"|(command|rerank|c4ai)(-.*)?|(base|small|medium|large|xlarge)(-light|-\d.*)?|light|default)(?<!-ft)",
    re.IGNORECASE,
)


def is_cohere_base(name: str) -> bool:
    """Whether a name is one of the retired service's, as "embed-english-v3.0"."""
    return _COHERE_BASE.fullmatch(name) is not None
