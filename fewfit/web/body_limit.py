"""How large a request's body may be: small, unless what reads it streams it and has a limit of its own."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.types import Scope


@dataclass
class BodyLimit:
    """The limit of a request's body, in its scope under `PLACE`; it holds for every body until it is lifted."""

    PLACE: ClassVar[str] = "fewfit.body_limit"

    limit_bytes: int
    lifted: bool = False

    @classmethod
    def lower(cls, scope: Scope, limit_bytes: int) -> None:
        """Sets a smaller limit, for bodies of whoever has not said yet who they are."""
        limit = scope.get(cls.PLACE)
        if limit is not None:
            limit.limit_bytes = min(limit.limit_bytes, limit_bytes)

    @classmethod
    def lift(cls, scope: Scope) -> None:
        """The body is streamed from here on, to a reader that counts its bytes itself."""
        limit = scope.get(cls.PLACE)
        if limit is not None:
            limit.lifted = True
