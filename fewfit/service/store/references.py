"""Who needs which file. A file that nobody refers to is deleted.

An upload, a dataset, a job and a version each refer to their files, so deleting one of them never takes a
file from another. The order of writing makes this safe while files come and go: a reference is committed
before its file is stored, and a file is deleted in the transaction that has found no reference to it.
"""

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fewfit.errors import InputError
from fewfit.service.records import StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.tables import FileReferenceRow, FileRow, utc_now

logger = logging.getLogger(__name__)

OwnerKind = Literal["upload", "dataset", "job", "version", "answers"]
UPLOAD_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Owner:
    """Something that needs files."""

    kind: OwnerKind
    id: str
    organization_id: str


def register(session: Session, file: StoredFile, organization_id: str) -> None:
    """Notes a file that is about to be stored, held by its upload."""
    values = {"sha256": file.sha256, "size_bytes": file.size_bytes, "created_at": utc_now()}
    bind = session.get_bind()
    insert = postgresql.insert if bind.dialect.name == "postgresql" else sqlite.insert
    # An update, not "do nothing": it waits for a clean-up that is deleting this very file.
    statement = insert(FileRow).values(**values)
    session.execute(
        statement.on_conflict_do_update(index_elements=["sha256"], set_={"size_bytes": statement.excluded.size_bytes})
    )
    refer(session, Owner("upload", file.upload_id, organization_id), "file", file)


def refer(session: Session, owner: Owner, role: str, file: StoredFile) -> None:
    """Lets an owner refer to a file that is stored, or about to be."""
    session.add(
        FileReferenceRow(
            owner_kind=owner.kind,
            owner_id=owner.id,
            role=role,
            organization_id=owner.organization_id,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            filename=file.filename,
            created_at=utc_now(),
        )
    )
    session.flush()


def claim(session: Session, owner: Owner, role: str, file: StoredFile) -> None:
    """Hands an uploaded file over to its owner. Raises InputError where the upload has expired."""
    upload = delete(FileReferenceRow).where(
        FileReferenceRow.owner_kind == "upload",
        FileReferenceRow.owner_id == file.upload_id,
        FileReferenceRow.organization_id == owner.organization_id,
        FileReferenceRow.sha256 == file.sha256,
    )
    if _rows(session, upload) == 0:
        raise InputError("The uploaded file has expired, or was used already. Upload it again.")
    refer(session, owner, role, file)


def copy_references(session: Session, source: Owner, target: Owner, roles: Iterable[str] | None = None) -> int:
    """Lets `target` refer to the files of `source` as well; returns how many."""
    rows = files_of(session, source)
    wanted = {role: row for role, row in rows.items() if roles is None or role in set(roles)}
    for role, file in wanted.items():
        refer(session, target, role, file)
    return len(wanted)


def files_of(session: Session, owner: Owner) -> dict[str, StoredFile]:
    """The files of an owner, by role."""
    return files_of_many(session, owner.kind, [owner.id], owner.organization_id)[owner.id]


def files_of_many(
    session: Session, kind: OwnerKind, ids: Sequence[str], organization_id: str
) -> dict[str, dict[str, StoredFile]]:
    """The files of several owners of an organisation: by owner, by role."""
    rows = session.scalars(
        select(FileReferenceRow)
        .where(
            FileReferenceRow.owner_kind == kind,
            FileReferenceRow.owner_id.in_(ids),
            FileReferenceRow.organization_id == organization_id,
        )
        .order_by(FileReferenceRow.role)
    )
    found: dict[str, dict[str, StoredFile]] = {owner_id: {} for owner_id in ids}
    for row in rows:
        found[row.owner_id][row.role] = StoredFile(row.sha256, row.size_bytes, row.filename)
    return found


def release(session: Session, owner: Owner, role: str | None = None) -> None:
    """Drops the references of an owner; the files go with the next clean-up."""
    statement = delete(FileReferenceRow).where(
        FileReferenceRow.owner_kind == owner.kind, FileReferenceRow.owner_id == owner.id
    )
    if role is not None:
        statement = statement.where(FileReferenceRow.role == role)
    session.execute(statement)


def used_bytes(session: Session, organization_id: str, *, kinds: Sequence[OwnerKind] = ("dataset",)) -> int:
    """What an organisation's datasets take, or the files of other kinds of owners."""
    total = session.scalar(
        select(func.sum(FileReferenceRow.size_bytes)).where(
            FileReferenceRow.organization_id == organization_id,
            FileReferenceRow.owner_kind.in_(kinds),
        )
    )
    return int(total or 0)


def collect_garbage(database: Database, files: FileStore, *, now: datetime | None = None) -> int:
    """Deletes files that nobody refers to, and uploads that nothing came of; returns how many files went."""
    now = now or utc_now()
    with database.writing() as session:
        session.execute(
            delete(FileReferenceRow).where(
                FileReferenceRow.owner_kind == "upload", FileReferenceRow.created_at < now - UPLOAD_LIFETIME
            )
        )
    unused = ~exists().where(FileReferenceRow.sha256 == FileRow.sha256)
    with database.reading() as session:
        candidates = list(session.scalars(select(FileRow.sha256).where(unused)))
    removed = 0
    for sha256 in candidates:
        try:
            with database.writing() as session:
                if _rows(session, delete(FileRow).where(FileRow.sha256 == sha256, unused)):
                    fail_point("clean_up.removing")
                    files.delete(sha256)
                    removed += 1
        except IntegrityError:
            logger.debug("File %s is in use again", sha256)
    clear_staging(files, now)
    return removed


def clear_staging(files: FileStore, now: datetime) -> None:
    """Deletes what a dead process has left behind while it received a file."""
    oldest = (now - UPLOAD_LIFETIME).timestamp()
    for path in files.staging.iterdir():
        try:
            if path.stat().st_mtime >= oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            logger.debug("%s was finished in the meantime", path)


def _rows(session: Session, statement: object) -> int:
    result = session.execute(statement)  # type: ignore[call-overload]
    return int(result.rowcount)
