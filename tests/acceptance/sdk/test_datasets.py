"""Contract section 4: upload in every way there is, wait, look, download, delete."""

import json
import time
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.bridge import Sdk, SdkError, encoded
from tests.acceptance.sdk.checks import moment
from tests.acceptance.sdk.conftest import MULTI, SINGLE, a_file, wait_for_dataset
from tests.acceptance.sdk.server import LiveServer

CSV = tickets.as_csv(tickets.single())
JSONL = tickets.as_jsonl(tickets.single())


def upload_and_wait(sdk: Sdk, data: Any, **query: Any) -> dict[str, Any]:
    query = {"name": "upload", "type": SINGLE} | query
    return wait_for_dataset(sdk, sdk.create_dataset(data, **query))


# Every kind of part ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train.csv", "train.jsonl"])
def test_python_uploads_an_open_file(python: Sdk, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CSV if name.endswith("csv") else JSONL)
    found = upload_and_wait(python, {"$open": str(tmp_path / name)})
    assert found["validation_status"] == "validated", found


@pytest.mark.parametrize("content", [CSV, JSONL], ids=["csv", "jsonl"])
@pytest.mark.parametrize("kind", ["bytes", "bytesio"])
def test_python_uploads_bytes_whose_format_is_found(python: Sdk, kind: str, content: bytes) -> None:
    found = upload_and_wait(python, encoded(kind, content))
    assert found["validation_status"] == "validated", found
    assert found["metrics"]["finetune_dataset_metrics"]["train_examples"] == 60


def test_python_uploads_a_named_tuple_of_bytes_and_type(python: Sdk) -> None:
    found = upload_and_wait(python, {"$tuple": ["x.jsonl", encoded("bytes", JSONL), "application/jsonl"]})
    assert found["validation_status"] == "validated", found


@pytest.mark.parametrize("kind", ["blob", "buffer"])
@pytest.mark.parametrize("content", [CSV, JSONL], ids=["csv", "jsonl"])
def test_node_uploads_a_blob_or_a_buffer(node: Sdk, kind: str, content: bytes) -> None:
    found = upload_and_wait(node, encoded(kind, content))
    assert found["validation_status"] == "validated", found
    assert found["metrics"]["finetune_dataset_metrics"]["train_examples"] == 60


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_node_uploads_a_file(node: Sdk, name: str) -> None:
    content = b64encode(CSV if name.endswith("csv") else JSONL).decode()
    found = upload_and_wait(node, {"$file": [name, content]})
    assert found["validation_status"] == "validated", found


@pytest.mark.parametrize("kind", ["$stream", "$path"])
def test_node_is_told_what_object_object_means(node: Sdk, tmp_path: Path, kind: str) -> None:
    (tmp_path / "train.csv").write_bytes(CSV)
    with pytest.raises(SdkError) as caught:
        node.create_dataset({kind: str(tmp_path / "train.csv")}, name="stream", type=SINGLE)
    assert caught.value.type == "BadRequestError"
    assert "[object Object]" in caught.value.message
    assert "new File" in caught.value.message


@pytest.mark.parametrize(
    "content",
    [tickets.as_csv(tickets.single(), line_end="\r\n"), b"\xef\xbb\xbf" + CSV, b"\xef\xbb\xbf" + JSONL],
    ids=["crlf", "bom csv", "bom jsonl"],
)
def test_line_ends_and_byte_order_marks_do_not_matter(sdk: Sdk, content: bytes) -> None:
    data = encoded("bytes" if sdk.is_python else "blob", content)
    found = upload_and_wait(sdk, data)
    assert found["validation_status"] == "validated", found
    assert {one["label"] for one in _label_metrics(found)} == set(tickets.LABELS)


def test_an_evaluation_file_is_counted(sdk: Sdk) -> None:
    rows = tickets.single()
    fresh = [(f"now {text}", label) for text, label in rows[::2]]
    found = upload_and_wait(
        sdk,
        a_file(sdk, "train.csv", tickets.as_csv(rows)),
        eval_data=a_file(sdk, "eval.csv", tickets.as_csv(fresh)),
    )
    assert found["validation_status"] == "validated", found
    metrics = found["metrics"]["finetune_dataset_metrics"]
    assert (metrics["train_examples"], metrics["eval_examples"], metrics["total_examples"]) == (60, 30, 90)
    assert metrics["eval_size_bytes"] > 0


def test_a_csv_delimiter_is_honoured(sdk: Sdk) -> None:
    data = a_file(sdk, "train.csv", tickets.as_csv(tickets.single(), delimiter=";"))
    found = upload_and_wait(sdk, data, csv_delimiter=";")
    assert found["validation_status"] == "validated", found


def test_fields_and_separators_that_have_no_use_here_are_ignored(sdk: Sdk) -> None:
    found = upload_and_wait(
        sdk,
        a_file(sdk, "train.csv", CSV),
        keep_fields=["a", "b"],
        optional_fields=["c"],
        text_separator="\n",
        keep_original_file=True,
        skip_malformed_input=True,
    )
    assert found["validation_status"] == "validated", found


# The object --------------------------------------------------------------------------------------


def test_a_validated_dataset_has_every_field(sdk: Sdk, dataset: dict[str, Any]) -> None:
    assert dataset["name"] == "tickets"
    assert dataset["dataset_type"] == SINGLE
    assert moment(dataset["created_at"]) <= moment(dataset["updated_at"])
    assert not dataset.get("validation_error")
    assert any("20" in warning for warning in dataset["validation_warnings"])
    assert dataset["required_fields"] == ["text", "label"]
    schema = json.loads(dataset["schema"])
    assert {field["name"] for field in schema["fields"]} == {"text", "label"}
    (part,) = dataset["dataset_parts"]
    assert part["index"] == 0
    assert part["num_rows"] == 60
    assert part["size_bytes"] > 0
    assert part["url"].startswith(sdk.base_url)
    assert part["samples"]
    metrics = dataset["metrics"]["finetune_dataset_metrics"]
    assert metrics["total_examples"] == metrics["train_examples"] == 60
    assert metrics["eval_examples"] == metrics["eval_size_bytes"] == 0
    assert metrics["train_size_bytes"] > 0
    assert metrics["trainable_token_count"] > 60
    labels = {one["label"]: one for one in _label_metrics(dataset)}
    assert {label: one["total_examples"] for label, one in labels.items()} == dict.fromkeys(tickets.LABELS, 20)
    assert all(one["samples"] for one in labels.values())


def test_an_id_begins_with_the_name(sdk: Sdk) -> None:
    dataset_id = sdk.create_dataset(a_file(sdk, "t.csv", CSV), name="My Set!", type=SINGLE)
    assert dataset_id.startswith("my-set-")
    assert sdk.create_dataset(a_file(sdk, "t.csv", CSV), name="usage", type=SINGLE) != "usage"


def test_wait_returns_when_validated_and_raises_when_failed(python: Sdk) -> None:
    python.create_dataset(a_file(python, "t.csv", CSV), name="waited", type=SINGLE)
    found = python.call("wait", python.last, interval=0.1, timeout=30)
    assert found["dataset"]["validation_status"] == "validated"
    rows = [*tickets.single(), ("a lone one", "refund")]
    python.create_dataset(a_file(python, "t.csv", tickets.as_csv(rows)), name="rare", type=SINGLE)
    with pytest.raises(SdkError) as caught:
        python.call("wait", python.last, interval=0.1, timeout=30)
    assert caught.value.type == "Exception"
    assert "failed" in str(caught.value)
    assert "refund" in str(caught.value)


@pytest.mark.parametrize("client", ["AsyncClient", "AsyncClientV2"])
def test_async_clients_upload_and_wait(python: Sdk, client: str) -> None:
    python.create_dataset(a_file(python, "t.csv", CSV), name="awaited", type=SINGLE, client=client)
    found = python.call("wait", python.last, interval=0.1, timeout=30, client=client)
    assert found["dataset"]["validation_status"] == "validated"


# Lists -------------------------------------------------------------------------------------------


def test_lists_are_newest_first_and_filtered(sdk: Sdk, dataset: dict[str, Any]) -> None:
    later = sdk.create_dataset(a_file(sdk, "t.jsonl", tickets.as_jsonl(tickets.multi())), name="later", type=MULTI)
    wait_for_dataset(sdk, later)
    listed = sdk.list_datasets()
    times = [moment(one["created_at"]) for one in listed]
    assert times == sorted(times, reverse=True)
    assert sdk.list_datasets(limit=1)[0]["id"] == listed[0]["id"]
    assert [one["id"] for one in sdk.list_datasets(limit=2, offset=1)] == [one["id"] for one in listed[1:3]]
    assert {one["dataset_type"] for one in sdk.list_datasets(dataset_type=MULTI)} == {MULTI}
    assert {one["validation_status"] for one in sdk.list_datasets(validation_status="validated")} == {"validated"}
    created = moment(dataset["created_at"])
    wrapped = "$datetime" if sdk.is_python else "$date"
    before = sdk.list_datasets(before={wrapped: (created + timedelta(seconds=0.001)).isoformat()})
    after = sdk.list_datasets(after={wrapped: (created + timedelta(seconds=0.001)).isoformat()})
    assert dataset["id"] in {one["id"] for one in before}
    assert dataset["id"] not in {one["id"] for one in after}
    assert later in {one["id"] for one in after}


def test_usage_grows_and_shrinks(sdk: Sdk) -> None:
    before = sdk.call("datasets.get_usage")["organization_usage"]
    rows = [(f"{text} {time.time()}", label) for text, label in tickets.single()]
    dataset_id = sdk.create_dataset(a_file(sdk, "t.csv", tickets.as_csv(rows)), name="used", type=SINGLE)
    wait_for_dataset(sdk, dataset_id)
    assert sdk.call("datasets.get_usage")["organization_usage"] > before
    assert sdk.call("datasets.delete", dataset_id) == {}
    assert sdk.call("datasets.get_usage")["organization_usage"] == before
    for call in ("datasets.get", "datasets.delete"):
        with pytest.raises(SdkError) as caught:
            sdk.call(call, dataset_id)
        assert caught.value.type == "NotFoundError"


# Download ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["jsonl", "csv", "avro"])
def test_python_saves_a_dataset(python: Sdk, python_dataset: dict[str, Any], tmp_path: Path, format: str) -> None:
    python.call("datasets.get", python_dataset["id"])
    target = tmp_path / f"saved.{format}"
    python.call("utils.save_dataset", {"$dataset": python.last["$result"]}, str(target), format)
    content = target.read_bytes()
    if format == "jsonl":
        rows = [json.loads(line) for line in content.decode().splitlines()]
        assert sorted((row["text"], row["label"]) for row in rows) == sorted(tickets.single())
    else:
        assert len(content) > 1000


def test_python_saves_a_dataset_with_several_labels(python: Sdk, tmp_path: Path) -> None:
    rows = tickets.multi()
    found = upload_and_wait(python, a_file(python, "t.jsonl", tickets.as_jsonl(rows)), type=MULTI)
    python.call("datasets.get", found["id"])
    python.call("utils.save_dataset", {"$dataset": python.last["$result"]}, str(tmp_path / "saved.jsonl"), "jsonl")
    saved = [json.loads(line) for line in (tmp_path / "saved.jsonl").read_text().splitlines()]
    assert sorted((row["text"], sorted(row["label"])) for row in saved) == sorted(rows)


def test_a_part_is_served_without_a_key_and_without_compression(
    server: LiveServer, some_dataset: dict[str, Any]
) -> None:
    url = some_dataset["dataset_parts"][0]["url"]
    path = url.removeprefix(server.url)
    answer = server.request("GET", path, key=None, headers={"Accept-Encoding": "gzip, deflate"})
    assert answer.status == 200
    assert "content-encoding" not in answer.headers
    assert answer.content.startswith(b"Obj\x01")
    wrong = server.request("GET", path[:-4] + "xxxx", key=None)
    assert wrong.status == 404
    assert set(wrong.json) == {"message", "id"}


# What cannot be used -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "type", ["embed-input", "embed-result", "cluster-result", "reranker-finetune-input", "chat-finetune-input"]
)
def test_types_of_other_services_are_bad_requests(sdk: Sdk, type: str) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_dataset(a_file(sdk, "t.csv", CSV), name="other", type=type)
    assert caught.value.type == "BadRequestError"
    assert type in caught.value.message


@pytest.mark.parametrize("delimiter", [";;", "tab"])
def test_a_delimiter_is_one_character(sdk: Sdk, delimiter: str) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_dataset(a_file(sdk, "t.csv", CSV), name="delimiter", type=SINGLE, csv_delimiter=delimiter)
    assert caught.value.type == "BadRequestError"


@pytest.mark.parametrize("name", ["", "x" * 50])
def test_a_name_is_there_and_short(sdk: Sdk, name: str) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_dataset(a_file(sdk, "t.csv", CSV), name=name, type=SINGLE)
    assert caught.value.type == "BadRequestError"


def test_an_empty_file_is_a_bad_request(sdk: Sdk) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_dataset(a_file(sdk, "t.csv", b""), name="empty", type=SINGLE)
    assert caught.value.type == "BadRequestError"


ROWS = tickets.single()
FAILURES: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
    "too few for a label": (tickets.as_csv([*ROWS, ("a lone one", "refund")]), SINGLE, ("refund", "5")),
    "too few in all": (tickets.as_csv(tickets.single(6)), SINGLE, ("32", "18")),
    "one label": (tickets.as_csv([(f"text {n}", "only") for n in range(40)]), SINGLE, ("only",)),
    "no label column": (b"text,kind\n" + b"".join(b"text %d,a\n" % n for n in range(40)), SINGLE, ("label",)),
    "no header": (CSV.split(b"\n", 1)[1].replace(b",", b",extra,"), SINGLE, ("text",)),
    "a line that is not JSON": (JSONL + b"{broken\n", SINGLE, ("61",)),
    "a label that is a number": (JSONL + b'{"text": "x", "label": 3}\n', SINGLE, ("61",)),
    "a label that is a list": (JSONL + b'{"text": "x", "label": ["a"]}\n', SINGLE, ("61",)),
    "no text": (JSONL + b'{"label": "billing"}\n', SINGLE, ("61",)),
    "an empty label": (JSONL + b'{"text": "x", "label": "  "}\n', SINGLE, ("61",)),
    "bad UTF-8": (JSONL + b'{"text": "\xff\xfe", "label": "billing"}\n', SINGLE, ("61",)),
    "a label on every row": (
        tickets.as_jsonl([(text, [*labels, "always"]) for text, labels in tickets.multi()]),
        MULTI,
        ("always",),
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_dataset_that_cannot_be_used_fails_and_says_why(connect: Any, case: str) -> None:
    sdk: Sdk = connect("python7")
    content, type, words = FAILURES[case]
    name = "t.jsonl" if content.startswith(b"{") else "t.csv"
    found = upload_and_wait(sdk, a_file(sdk, name, content), type=type)
    assert found["validation_status"] == "failed"
    for word in words:
        assert word in found["validation_error"], found["validation_error"]


def test_bad_rows_are_dropped_where_the_user_says_so(connect: Any) -> None:
    sdk: Sdk = connect("python7")
    content = JSONL + b'{broken\n{"text": "x", "label": 3}\n{"text": "alone", "label": "refund"}\n'
    found = upload_and_wait(sdk, a_file(sdk, "t.jsonl", content), skip_malformed_input=True)
    assert found["validation_status"] == "validated", found
    assert {one["label"] for one in _label_metrics(found)} == set(tickets.LABELS)
    assert found["metrics"]["finetune_dataset_metrics"]["train_examples"] == 60
    assert "refund" in " ".join(found["validation_warnings"])


def test_empty_texts_and_duplicates_are_dropped_with_a_warning(connect: Any) -> None:
    sdk: Sdk = connect("python7")
    text, label = ROWS[0]
    extra = [("", "billing"), (text, label), (text, "delivery" if label != "delivery" else "billing")]
    found = upload_and_wait(sdk, a_file(sdk, "t.csv", tickets.as_csv([*ROWS, *extra])))
    assert found["validation_status"] == "validated", found
    # The text with two labels stays, the empty one and the copy go.
    assert found["metrics"]["finetune_dataset_metrics"]["train_examples"] == 61
    assert len(found["validation_warnings"]) >= 3


def _label_metrics(dataset: dict[str, Any]) -> list[dict[str, Any]]:
    found = dataset["metrics"]["finetune_dataset_metrics"]["classify_data_metrics"]["label_metrics"]
    assert isinstance(found, list)
    return found
