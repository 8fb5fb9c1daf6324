"""API keys: made, listed, revoked, checked, and limited in how often they may ask."""

import hashlib
import hmac
import logging
import secrets
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from fewfit.errors import InputError
from fewfit.service.errors import DatabaseError, NotFoundError, RateLimitError, UnauthorizedError
from fewfit.service.names import check_name
from fewfit.service.records import SCOPES, Caller, Key, NewKey, Scope
from fewfit.service.store.database import Database
from fewfit.service.store.recent import Recent
from fewfit.service.store.tables import ApiKeyRow, ServerState, moment, utc_now

logger = logging.getLogger(__name__)

PREFIX: Final = "ff_"
DEFAULT_ORGANIZATION: Final = "default"

# A key that was just checked is believed for so long; on other servers a revoked one lives on that much.
_TRUSTED_S = 2.0
_TRUSTED_KEYS = 10_000
_USED_EVERY = timedelta(minutes=1)


def _digest_of_ours(secret: str) -> str:
    """What is stored of a key. Raises UnauthorizedError for what cannot be one."""
    if not secret.startswith(PREFIX) or len(secret) > 128 or not secret.isascii():
        raise UnauthorizedError("The API key is not one of this server's: they start with 'ff_'.")
    return _digest(secret)


def _digest(secret: str) -> str:
    """What is stored of a key. A plain SHA-256 is right here: the secret has 256 random bits.

    Slow hashes (bcrypt, argon2) make guessing of passwords expensive; nobody guesses 256 bits, and every
    request would pay for it.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


class Keys:
    """API keys of all organisations."""

    def __init__(self, database: Database, *, rate_limit_per_minute: int = 0) -> None:
        self._database = database
        self._limiter = RateLimiter(rate_limit_per_minute)
        self._recent: Recent[str, Caller] = Recent(_TRUSTED_S, _TRUSTED_KEYS)

    def authenticate(self, secret: str) -> Caller:
        """Who a key belongs to. Raises UnauthorizedError, or RateLimitError with `retry_after_s`."""
        digest = _digest_of_ours(secret)
        caller = self._recent.ask(digest, lambda: self._look_up(digest))
        self._limiter.count(caller.key_id)
        return caller

    def authenticate_at_once(self, secret: str) -> Caller | None:
        """Like `authenticate`, from memory and without blocking; None where `authenticate` must be asked."""
        caller = self._recent.get(_digest_of_ours(secret))
        if caller is not None:
            self._limiter.count(caller.key_id)
        return caller

    def count(self, key_id: str) -> None:
        """Counts a request that was made with a key otherwise. Raises RateLimitError where there were too many."""
        self._limiter.count(key_id)

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        scopes: Sequence[Scope | str] = ("read", "classify", "train"),
        owner_id: str | None = None,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Makes a key of the caller's organisation (scope admin); its secret is shown once."""
        caller.require("admin")
        return self.create_for(
            caller.organization_id,
            name=name,
            scopes=scopes,
            owner_id=owner_id or caller.owner_id,
            expires_at=expires_at,
        )

    def create_for(
        self,
        organization_id: str,
        *,
        name: str,
        scopes: Sequence[Scope | str],
        owner_id: str = "admin",
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Makes a key of any organisation, which comes into being with it: for whoever runs the server."""
        row, secret = _new_key(organization_id, name, scopes, owner_id, expires_at)
        with self._database.writing() as session:
            session.add(row)
        return NewKey(_record(row), secret)

    def list(self, caller: Caller) -> tuple[Key, ...]:
        """The organisation's keys (scope admin), newest first."""
        caller.require("admin")
        return self.list_for(caller.organization_id)

    def list_for(self, organization_id: str) -> tuple[Key, ...]:
        """The keys of any organisation, newest first: for whoever runs the server."""
        with self._database.reading() as session:
            rows = session.scalars(
                select(ApiKeyRow)
                .where(ApiKeyRow.organization_id == organization_id)
                .order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id)
            )
            return tuple(_record(row) for row in rows)

    def revoke(self, caller: Caller, key_id: str) -> None:
        """Ends a key (scope admin); at once here, within two seconds on other servers."""
        caller.require("admin")
        self.revoke_for(caller.organization_id, key_id)

    def revoke_for(self, organization_id: str, key_id: str) -> None:
        """Ends a key of any organisation: for whoever runs the server."""
        if "\0" in key_id:
            raise NotFoundError("There is no such key.")
        with self._database.writing() as session:
            row = session.scalar(
                select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.organization_id == organization_id)
            )
            if row is None:
                raise NotFoundError(f"There is no key {key_id!r}.")
            row.revoked_at = row.revoked_at or utc_now()
        self._recent.forget(lambda caller: caller.key_id == key_id)

    def any_exists(self) -> bool:
        """Whether any key was ever made."""
        with self._database.reading() as session:
            return bool(session.scalar(select(func.count()).select_from(ApiKeyRow)))

    def first(self) -> str | None:
        """On the first start, the secret of a new admin key; later None. Only one of several servers gets it."""
        if self.any_exists():
            return None
        row, secret = _new_key(DEFAULT_ORGANIZATION, "first key", ("admin",), "admin", None)
        try:
            with self._database.writing() as session:
                session.add(ServerState(name="first_key", value=row.id))
                session.add(row)
        except IntegrityError:
            return None
        return secret

    def _look_up(self, digest: str) -> Caller:
        with self._database.reading() as session:
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.digest == digest))
        now = utc_now()
        if row is None or not hmac.compare_digest(row.digest, digest):
            raise UnauthorizedError("The API key is not known. Check it for a missing character, or make a new one.")
        if row.revoked_at is not None:
            raise UnauthorizedError("The API key was revoked. Use another one.")
        if row.expires_at is not None and row.expires_at <= now:
            raise UnauthorizedError(f"The API key expired at {row.expires_at.isoformat()}. Use another one.")
        if row.last_used_at is None or now - row.last_used_at > _USED_EVERY:
            try:
                with self._database.writing() as session:
                    session.execute(update(ApiKeyRow).where(ApiKeyRow.id == row.id).values(last_used_at=now))
            except DatabaseError:  # a full disk, say: what needs no disk goes on
                logger.warning("it could not be noted that the key %s was used", row.id)
        return Caller(row.organization_id, row.owner_id, frozenset(cast(list[Scope], row.scopes)), row.id)


class RateLimiter:
    """Counts requests by key: so many a minute, refilled evenly; a key may use them in one go."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, key_id: str) -> None:
        """Counts a request. Raises RateLimitError where there were too many."""
        if not self._per_minute:
            return
        rate = self._per_minute / 60
        now = time.monotonic()
        with self._lock:
            left, then = self._left.get(key_id, (float(self._per_minute), now))
            left = min(float(self._per_minute), left + (now - then) * rate)
            allowed = left >= 1
            self._left[key_id] = (left - 1 if allowed else left, now)
            self._left.move_to_end(key_id)
            while len(self._left) > _TRUSTED_KEYS:
                self._left.popitem(last=False)
        if not allowed:
            wait_s = (1 - left) / rate
            raise RateLimitError(
                f"This key may make {self._per_minute:,} requests a minute. Try again in {wait_s:.1f} s.",
                retry_after_s=wait_s,
            )


def _new_key(
    organization_id: str, name: str, scopes: Sequence[Scope | str], owner_id: str, expires_at: datetime | None
) -> tuple[ApiKeyRow, str]:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        found = repr(unknown[0]) if unknown else "no scope"
        raise InputError(f"A key cannot have {found}; give some of: {', '.join(SCOPES)}.")
    if expires_at is not None:
        expires_at = moment(expires_at, "expires_at")
        if expires_at <= utc_now():
            raise InputError(f"expires_at is {expires_at.isoformat()}, which is over; give a moment to come, or none.")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKeyRow(
        id=str(uuid.uuid4()),
        name=check_name(name, "name of a key", longest=200),
        organization_id=check_name(organization_id, "organisation", longest=64),
        owner_id=check_name(owner_id, "owner", longest=64),
        scopes=[scope for scope in SCOPES if scope in scopes],
        digest=_digest(secret),
        hint=secret[: len(PREFIX) + 4],
        created_at=utc_now(),
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    return row, secret


def _record(row: ApiKeyRow) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        organization_id=row.organization_id,
        owner_id=row.owner_id,
        scopes=tuple(cast(list[Scope], row.scopes)),
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
