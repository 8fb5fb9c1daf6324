import pytest

from fewfit.service.store import recent
from fewfit.service.store.recent import Recent


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(recent, "time", found)
    return found


def test_what_the_store_said_is_believed_for_a_while(clock: Clock) -> None:
    known: Recent[str, int] = Recent(keep_s=2, limit=10)
    assert known.get("a") is None
    assert known.ask("a", lambda: 1) == 1
    assert known.get("a") == 1
    assert known.knows("a")
    clock.now_s += 2
    assert known.get("a") is None
    assert not known.knows("a")


def test_one_caller_renews_while_the_others_are_answered(clock: Clock) -> None:
    known: Recent[str, int] = Recent(keep_s=2, limit=10)
    known.ask("a", lambda: 1)
    clock.now_s += 1
    assert [known.get("a") for _ in range(3)] == [None, 1, 1]
    known.ask("a", lambda: 2)
    assert [known.get("a") for _ in range(3)] == [2, 2, 2]


def test_what_is_forgotten_while_it_is_looked_up_is_not_kept() -> None:
    known: Recent[str, int] = Recent(keep_s=60, limit=10)

    def look_up() -> int:
        known.forget(lambda value: value == 1)  # as when a model is deleted in this very moment
        return 1

    assert known.ask("a", look_up) == 1
    assert known.get("a") is None
    known.ask("a", lambda: 1)
    known.ask("b", lambda: 2)
    known.forget(lambda value: value == 1)
    assert (known.get("a"), known.get("b")) == (None, 2)


def test_errors_are_passed_on_and_the_oldest_leave_first() -> None:
    known: Recent[str, int] = Recent(keep_s=60, limit=2)
    with pytest.raises(ZeroDivisionError):
        known.ask("a", lambda: 1 // 0)
    assert known.get("a") is None
    for number, key in enumerate("abc"):
        known.ask(key, lambda number=number: number)  # type: ignore[misc]
    assert [known.get(key) for key in "abc"] == [None, 1, 2]
