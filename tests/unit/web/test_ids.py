"""Ids of requests and answers."""

from uuid import RFC_4122, UUID

from fewfit.web.ids import new_id


def test_ids_are_uuids_of_version_4() -> None:
    ids = [new_id() for _ in range(1000)]

    read = [UUID(one) for one in ids]
    assert [str(one) for one in read] == ids
    assert {one.version for one in read} == {4}
    assert {one.variant for one in read} == {RFC_4122}


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
