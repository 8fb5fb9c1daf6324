"""Signing in: a session in place of an API key, so that the key itself is kept nowhere."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final, cast

from sqlalchemy import delete, select

from fewfit.service.access.keys import Keys
from fewfit.service.errors import UnauthorizedError
from fewfit.service.records import Caller, Scope
from fewfit.service.store.database import Database
from fewfit.service.store.tables import ApiKeyRow, SessionRow, utc_now

LIFETIME: Final = timedelta(days=7)


class Sessions:
    """People who are signed in. A session ends with sign-out, a week after it began, or with its key."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    def start(self, secret: str) -> str:
        """A new session's token for whoever has this key. Raises UnauthorizedError, or RateLimitError."""
        caller = self._keys.authenticate(secret)
        token = secrets.token_urlsafe(32)
        now = utc_now()
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            session.add(
                SessionRow(digest=_digest(token), key_id=caller.key_id, created_at=now, expires_at=now + LIFETIME)
            )
        return token

    def caller(self, token: str, *, counts: bool = False) -> Caller:
        """Whose session it is. Raises UnauthorizedError where it has ended; `counts` counts it as a request."""
        now = utc_now()
        statement = (
            select(ApiKeyRow)
            .join(SessionRow, SessionRow.key_id == ApiKeyRow.id)
            .where(SessionRow.digest == _digest(token), SessionRow.expires_at > now, ApiKeyRow.revoked_at.is_(None))
        )
        with self._database.reading() as session:
            row = session.scalar(statement)
        if row is None or (row.expires_at is not None and row.expires_at <= now):
            raise UnauthorizedError("You are not signed in, or no longer. Sign in with an API key.")
        if counts:
            self._keys.count(row.id)
        return Caller(row.organization_id, row.owner_id, frozenset(cast(list[Scope], row.scopes)), row.id)

    def end(self, token: str) -> None:
        """Ends a session; does nothing where it has ended already."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == _digest(token)))


def _digest(token: str) -> str:
    """What is stored of a token, which has 256 random bits as a key has; see `keys`."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
