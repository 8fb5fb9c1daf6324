"""Two versions of a model side by side: their figures, and the texts to which they give different answers."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy.orm import Session

from fewfit.data import text_key
from fewfit.service.models.answers import ANSWERS_FILE, Answers
from fewfit.service.models.model_rows import answers_owner, find_model, numbered, version_record, versions_of
from fewfit.service.records import Caller, StoredFile
from fewfit.service.records_in_use import ChangedAnswer, Comparison
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.parts import shortened
from fewfit.service.store.references import files_of
from fewfit.service.store.tables import ModelRow, VersionRow

_MOST_CHANGED = 200


class Comparing:
    """Compares versions."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def compare(self, caller: Caller, model_id: str, before: int, after: int) -> Comparison:
        """Two versions side by side (scope read). Raises NotFoundError."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            versions = versions_of(session, row.id)
            rows = numbered(versions, before), numbered(versions, after)
            files = [_answers_file(session, row, version) for version in rows]
        answers = [self._read(file) for file in files]
        changed: tuple[ChangedAnswer, ...] = ()
        shares: tuple[Mapping[str, float], Mapping[str, float]] = ({}, {})
        n_common = 0
        if answers[0] is not None and answers[1] is not None:
            pairs = _common(answers[0], answers[1])
            n_common = len(pairs)
            changed, shares = _differences(answers[0], answers[1], pairs, rows)
        return Comparison(
            before=version_record(row, rows[0]),
            after=version_record(row, rows[1]),
            before_report=rows[0].report,
            after_report=rows[1].report,
            n_common=n_common,
            before_common=shares[0],
            after_common=shares[1],
            changed=changed,
        )

    def _read(self, file: StoredFile | None) -> Answers | None:
        if file is None:
            return None
        with self._files.open(file.sha256) as stream:
            return Answers.read(stream)


def _answers_file(session: Session, row: ModelRow, version: VersionRow) -> StoredFile | None:
    return files_of(session, answers_owner(row, version.number)).get(ANSWERS_FILE)


def _common(before: Answers, after: Answers) -> list[tuple[int, int]]:
    """The places of the texts that both have answered without having been trained on them."""
    places = {text_key(text): place for place, text in enumerate(before.texts)}
    found: dict[str, tuple[int, int]] = {}
    for place, text in enumerate(after.texts):
        key = text_key(text)
        if key in places:
            found.setdefault(key, (places[key], place))
    return list(found.values())


def _differences(
    before: Answers, after: Answers, pairs: Sequence[tuple[int, int]], rows: tuple[VersionRow, VersionRow]
) -> tuple[tuple[ChangedAnswer, ...], tuple[Mapping[str, float], Mapping[str, float]]]:
    """What changed, and how good both are on the common texts; right is what the newer data say."""
    given = [answers.given(row.report.get("thresholds")) for answers, row in zip((before, after), rows, strict=True)]
    changed = []
    right = np.zeros(2)
    for old_place, new_place in pairs:
        truth = set(after.names(after.truth[new_place]))
        old, new = before.names(given[0][old_place]), after.names(given[1][new_place])
        right += [set(old) == truth, set(new) == truth]
        if set(old) != set(new):
            changed.append(ChangedAnswer(shortened(after.texts[new_place]), tuple(sorted(truth)), old, new))
    order = {"worse": 0, "better": 1, "different": 2}
    changed.sort(key=lambda one: order[one.verdict])
    count = len(pairs)
    shares = ({}, {}) if not count else ({"right": right[0] / count}, {"right": right[1] / count})
    return tuple(changed[:_MOST_CHANGED]), shares
