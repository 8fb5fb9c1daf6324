"""Languages are judged over all texts together. Short messages are what a detector gets wrong one by one."""

from collections.abc import Sequence

import pytest
from py3langid.langid import classify

from fewfit.data import LanguageMix, language_mix
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
# Ordinary sentences, 20 of each.
SENTENCES = {
    "es": [
        "Mi paquete todavía no ha llegado", "Quiero cambiar la dirección de entrega",
        "Me cobraron dos veces este mes", "No puedo iniciar sesión en la aplicación",
        "El pedido llegó roto y falta una pieza", "¿Cuándo recibiré mi dinero?", "Necesito hablar con una persona",
        "La tienda me envió otra talla", "¿Cómo puedo cancelar mi suscripción?", "Olvidé la contraseña de mi cuenta",
        "El repartidor dejó la caja en la calle", "Quisiera una factura a mi nombre",
        "La tarjeta fue rechazada en la caja", "¿Por qué sigue pendiente el pago?",
        "Gracias por resolverlo tan rápido", "La película me pareció muy larga",
        "Mañana va a llover en toda la costa", "No entiendo este cargo en mi cuenta",
        "El servicio de ayer fue muy malo", "¿Tienen este abrigo en color azul?",
    ],
    "de": [
        "Mein Paket ist noch nicht angekommen", "Ich möchte die Lieferadresse ändern",
        "Mir wurde zweimal Geld abgebucht", "Ich kann mich in der App nicht anmelden",
        "Die Ware kam beschädigt bei mir an", "Wann bekomme ich mein Geld zurück?",
        "Ich will mit einem Menschen sprechen", "Man hat mir die falsche Größe geschickt",
        "Wie kündige ich mein Abonnement?", "Ich habe das Passwort für mein Konto vergessen",
        "Der Bote hat die Kiste auf der Straße gelassen", "Bitte schicken Sie mir eine Rechnung",
        "Die Karte wurde an der Kasse abgelehnt", "Warum ist die Zahlung noch offen?", "Danke für die schnelle Hilfe",
        "Der Film war mir viel zu lang", "Morgen regnet es an der ganzen Küste",
        "Diese Buchung auf meinem Konto verstehe ich nicht", "Der Service gestern war sehr schlecht",
        "Haben Sie den Mantel auch in Blau?",
    ],
    "pl": [
        "Moja paczka jeszcze nie przyszła", "Chcę zmienić adres dostawy",
        "Pobrano mi pieniądze dwa razy w tym miesiącu", "Nie mogę się zalogować do aplikacji",
        "Towar przyszedł uszkodzony", "Kiedy dostanę zwrot pieniędzy?", "Chciałbym porozmawiać z człowiekiem",
        "Wysłano mi zły rozmiar", "Jak mogę zrezygnować z abonamentu?", "Zapomniałem hasła do mojego konta",
        "Kurier zostawił pudełko na ulicy", "Proszę o fakturę na moje nazwisko", "Karta została odrzucona przy kasie",
        "Dlaczego płatność wciąż czeka?", "Dziękuję za szybką pomoc", "Ten film był dla mnie za długi",
        "Jutro będzie padać na całym wybrzeżu", "Nie rozumiem tej opłaty na koncie",
        "Wczorajsza obsługa była bardzo zła", "Czy jest ten płaszcz w kolorze niebieskim?",
    ],
    "ru": [
        "Моя посылка ещё не пришла", "Я хочу изменить адрес доставки", "С меня дважды сняли деньги",
        "Не могу войти в приложение", "Товар пришёл повреждённым", "Когда мне вернут деньги?",
        "Хочу поговорить с человеком", "Мне прислали не тот размер", "Как отменить подписку?",
        "Я забыл пароль от учётной записи", "Курьер оставил коробку на улице", "Пришлите мне счёт",
        "Карту отклонили на кассе", "Почему платёж всё ещё в обработке?", "Спасибо за быструю помощь",
        "Фильм показался мне слишком длинным", "Завтра на побережье будет дождь", "Я не понимаю это списание",
        "Вчера обслуживание было плохим", "Есть ли это пальто синего цвета?",
    ],
}  # fmt: skip
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


def told(mix: LanguageMix) -> bool:
    """Whether it is said that the texts are not all English."""
    return mix.base == "multilingual" and mix.sure


@pytest.mark.parametrize("odd", ["bye bye", "hola amigo", "lol ok", "Mercedes", "la la land", "ciao bella"])
def test_one_misread_text_does_not_make_a_set_multilingual(odd: str) -> None:
    assert not told(language_mix([*ENGLISH[-10:] * 3, *ENGLISH[:8], odd]))


@pytest.mark.parametrize("odd", ["bye bye", "hola amigo", "lol ok", "ciao bella"])
def test_texts_of_two_words_are_what_the_others_are(odd: str) -> None:
    mix = language_mix([*ENGLISH[-10:] * 3, *ENGLISH[:8], odd])

    assert mix.shares == (("en", 1.0),)
    assert mix.sure


@pytest.mark.parametrize(
    "texts",
    [["hi", "no"], ["no", "bye bye"], ["pizza", "hello", "help", "danke"], ["card lost", "la la land"], ENGLISH[:3]],
    ids=" ".join,
)
def test_nothing_is_said_of_few_short_texts(texts: list[str]) -> None:
    assert not language_mix(texts).sure


@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize(("n_others", "n_english"), [(20, 0), (12, 28), (4, 36), (2, 28)])
def test_sentences_in_another_language_are_found(code: str, n_others: int, n_english: int) -> None:
    english = [*ENGLISH[-10:], *ENGLISH[:26]][:n_english]
    mix = language_mix([*english, *SENTENCES[code][:n_others]])

    assert told(mix)
    assert dict(mix.shares)[code] == pytest.approx(n_others / (n_others + n_english), abs=0.1)


def test_a_word_in_another_script_says_enough() -> None:
    mix = language_mix([*ENGLISH[-10:], "спасибо большое", "добрый день", "здравствуйте"])

    assert told(mix)
    assert mix.n_telling == 13


def test_single_texts_in_many_languages_are_a_mixed_set() -> None:
    others = [GERMAN[1], SPANISH[1], CHINESE[0], SENTENCES["pl"][3], SENTENCES["ru"][0]]

    assert told(language_mix([*ENGLISH[-10:], *others]))
    assert not told(language_mix([*ENGLISH[-10:], *others[:1]]))
