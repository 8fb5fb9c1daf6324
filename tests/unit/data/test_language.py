"""Languages are judged over all texts together. Short messages are what a detector gets wrong one by one."""

from collections.abc import Sequence

import pytest
from py3langid.langid import classify

from fewfit.data import language_mix
from fewfit.errors import MissingExtraError

ENGLISH = [
    "ok thanks", "no refund yet", "card lost", "login broken", "cancel pls", "app crash", "hi", "PIN reset",
    "late parcel", "invoice?", "double charge", "wrong item", "help", "update email", "bad service", "hello there",
    "yes please", "still waiting", "size 42", "nope", "driver rude", "error 502", "unable to log in",
    "refund status", "delivery delay", "change plan", "order #1182", "package lost", "can't pay", "voucher invalid",
    "my card was charged twice this month", "where is the parcel I ordered last week", "please cancel my subscription",
    "I cannot sign in with my new phone", "the box arrived damaged and one item is missing",
    "how do I change the address on my account", "why is my payment still pending",
    "the courier left it with a neighbour", "I would like to talk to a person", "your app closes when I open it",
]  # fmt: skip
GERMAN = ["Wo bleibt mein Paket?", "Ich komme nicht mehr in mein Konto", "Bitte stornieren Sie die Bestellung"]
SPANISH = ["¿Dónde está mi pedido?", "No puedo entrar en mi cuenta", "Quiero que me devuelvan el dinero"]
CHINESE = ["我的包裹还没有到", "请取消我的订单", "我无法登录我的账户"]


def test_a_detector_alone_gets_the_short_english_messages_wrong() -> None:
    # The reason for judging them together: if this fails, the detector has become better.
    alone = sum(classify(text)[0] == "en" for text in ENGLISH) / len(ENGLISH)

    assert alone < 0.9


def test_short_english_messages_are_english() -> None:
    mix = language_mix(ENGLISH)

    assert mix.shares == (("en", 1.0),)
    assert mix.base == "english"


@pytest.mark.parametrize(("others", "code"), [(GERMAN, "de"), (SPANISH, "es"), (CHINESE, "zh")])
def test_a_few_texts_in_another_language_are_seen(others: Sequence[str], code: str) -> None:
    mix = language_mix([*ENGLISH * 3, *others])

    assert dict(mix.shares) == {"en": pytest.approx(120 / 123), code: pytest.approx(3 / 123)}
    assert mix.base == "multilingual"
    assert [index for index, found in mix.languages if found == code] == [120, 121, 122]


def test_one_foreign_text_in_many_is_less_than_a_percent() -> None:
    assert language_mix([*ENGLISH * 3, GERMAN[0]]).base == "english"
    assert language_mix([*ENGLISH, GERMAN[0]]).base == "multilingual"


@pytest.mark.parametrize(("texts", "code"), [(GERMAN, "de"), (SPANISH, "es"), (CHINESE, "zh")])
def test_other_languages_alone(texts: Sequence[str], code: str) -> None:
    mix = language_mix(texts)

    assert mix.shares == ((code, 1.0),)
    assert str(mix) == f"{code} 100.0%"


def test_texts_without_letters_go_with_the_majority() -> None:
    assert language_mix([*GERMAN, "12345", "???", "👍"]).shares == (("de", 1.0),)
    assert language_mix(["12345", "???"]).base == "english"


def test_no_text_has_no_language() -> None:
    assert language_mix([]).shares == ()


def test_the_order_of_the_texts_does_not_matter() -> None:
    texts = [*ENGLISH, *GERMAN, *CHINESE]

    assert language_mix(texts[::-1]).shares == language_mix(texts).shares


def test_only_a_sample_of_many_texts_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewfit.data.language._SAMPLE_TEXTS", 20)

    mix = language_mix(ENGLISH)

    assert mix.n_texts == 20
    chosen = {ENGLISH[index] for index, _ in mix.languages}
    assert chosen == {ENGLISH[::-1][index] for index, _ in language_mix(ENGLISH[::-1]).languages}


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from fewfit.data import language

    language._identifier.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "py3langid.langid", None)
    try:
        with pytest.raises(MissingExtraError, match="py3langid"):
            language_mix(["hello"])
    finally:
        language._identifier.cache_clear()
