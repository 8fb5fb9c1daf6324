"""API keys on the wire. fewfit's own: the SDKs have no calls for them."""

from pydantic import Field

from fewfit.api.wire.common import QueryTime, Request, Timestamp, Wire


class CreateKey(Request):
    """A key to make."""

    name: str
    scopes: list[str] | None = Field(None, description="Of read, classify, train, admin; the first three by default.")
    owner_id: str | None = None
    expires_at: QueryTime = None


class Key(Wire):
    """A key without its secret. `hint` is how it begins."""

    id: str
    name: str
    owner_id: str
    scopes: list[str]
    hint: str
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    last_used_at: Timestamp | None = None


class KeyCreated(Wire):
    """A new key with its secret, which is shown this once."""

    key: Key
    secret: str


class KeyList(Wire):
    """The organisation's keys, newest first."""

    keys: list[Key]
