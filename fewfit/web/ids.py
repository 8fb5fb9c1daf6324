"""Ids of requests and answers."""

import random

# Version 4 and variant 1 of RFC 9562.
_KEPT = ~(0xF << 76 | 0x3 << 62)
_SET = 0x4 << 76 | 0x2 << 62


def new_id() -> str:
    """A random UUID (RFC 9562, version 4) as text, for what needs a name and no secret.

    `uuid.uuid4` asks the system for every one and is several times slower; a request has three of them.
    """
    digits = f"{random.getrandbits(128) & _KEPT | _SET:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
