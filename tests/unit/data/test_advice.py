from fewfit.data import Dataset, Example, Finding, Requirements, validate
from tests.unit.data.test_validation import sentence, single


def advice(data: Dataset, code: str) -> Finding | None:
    report = validate(data, requirements=Requirements(strict=False), base="multilingual")
    found = [item for item in report.advice if item.code == code]
    return found[0] if found else None


def test_imbalance_beyond_ten_to_one() -> None:
    def data(many: int) -> Dataset:
        return single(*((sentence(n), "a") for n in range(many)), *((sentence(n), "b") for n in range(200, 205)))

    assert advice(data(50), "imbalance") is None
    found = advice(data(51), "imbalance")
    assert found is not None
    assert found.labels == ("b",)
    assert "51 examples" in found.message


def test_markup_and_urls() -> None:
    texts = ["<p>hello there</p>", "see https://example.org/a?b=c now", "fish &amp; chips"]
    data = single(*((text, "a") for text in texts), *((sentence(n), "b") for n in range(17)))

    markup, urls = advice(data, "markup"), advice(data, "urls")

    assert markup is not None
    assert markup.rows == (2, 4)
    assert urls is not None
    assert urls.rows == (3,)


def test_a_url_in_one_text_of_many_is_not_worth_a_word() -> None:
    data = single(("see www.example.org", "a"), *((sentence(n), "b") for n in range(40)))

    assert advice(data, "urls") is None


def test_signs_that_are_no_markup() -> None:
    data = single(("a < b and c > d", "a"), ("I <3 it", "a"), ("Q&A; R&D", "b"), ("x<5", "b"))

    assert advice(data, "markup") is None


def test_a_sentence_in_many_texts() -> None:
    data = single(
        *((f"{sentence(n)}. Sent from my telephone!", "a") for n in range(6)),
        *((f"{sentence(n)}\nsent from my  telephone!", "b") for n in range(30, 36)),
        *((sentence(n), "b") for n in range(60, 70)),
    )

    found = advice(data, "boilerplate")

    assert found is not None
    assert found.count == 12
    assert "'Sent from my telephone!' in 12" in found.message


def test_a_text_that_repeats_as_a_whole_is_no_boilerplate() -> None:
    data = single(*(("Where is my parcel today?", "a") for _ in range(10)), *((sentence(n), "b") for n in range(10)))

    assert advice(data, "boilerplate") is None


def test_a_label_whose_examples_are_nearly_alike() -> None:
    names = ("Anna", "Ben", "Cleo", "Dana", "Emil", "Finn")
    data = single(
        *((f"please send the invoice for last month to my colleague {name}", "invoice") for name in names),
        ("my parcel has not come", "delivery"),
        ("the courier was here while I was out", "delivery"),
        ("tracking shows nothing since Friday", "delivery"),
        ("box arrived crushed", "delivery"),
        ("deliver to another address please", "delivery"),
    )

    found = advice(data, "alike_examples")

    assert found is not None
    assert found.labels == ("invoice",)
    assert "100% of those of 'invoice'" in found.message
    assert found.rows == (2, 3, 4, 5, 6, 7)


def test_many_examples_of_a_label_take_bounded_time() -> None:
    examples = tuple(Example(f"{sentence(n)} {n}", (str(n % 2),), n) for n in range(3000))

    assert advice(Dataset(examples, "single"), "imbalance") is None
