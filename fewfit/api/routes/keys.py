"""API keys: made, listed and revoked by whoever has the scope admin. fewfit's own."""

from fastapi import APIRouter

from fewfit.api.authentication import CurrentCaller
from fewfit.api.context import CurrentContext
from fewfit.api.wire import keys as wire
from fewfit.api.wire.common import Empty
from fewfit.service import records

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", response_model=wire.KeyCreated, response_model_exclude_none=True)
def create_key(body: wire.CreateKey, caller: CurrentCaller, context: CurrentContext) -> wire.KeyCreated:
    """Makes a key of the caller's organisation. Its secret is in this answer and nowhere else."""
    scopes = ("read", "classify", "train") if body.scopes is None else tuple(body.scopes)
    made = context.service.keys.create(
        caller, name=body.name, scopes=scopes, owner_id=body.owner_id, expires_at=body.expires_at
    )
    return wire.KeyCreated(key=_key(made.key), secret=made.secret)


@router.get("", response_model=wire.KeyList, response_model_exclude_none=True)
def list_keys(caller: CurrentCaller, context: CurrentContext) -> wire.KeyList:
    """The organisation's keys, newest first, without their secrets."""
    return wire.KeyList(keys=[_key(key) for key in context.service.keys.list(caller)])


@router.delete("/{id}", response_model=Empty)
def revoke_key(id: str, caller: CurrentCaller, context: CurrentContext) -> Empty:
    """Ends a key at once."""
    context.service.keys.revoke(caller, id)
    return Empty()


def _key(key: records.Key) -> wire.Key:
    return wire.Key(
        id=key.id,
        name=key.name,
        owner_id=key.owner_id,
        scopes=list(key.scopes),
        hint=key.hint,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
