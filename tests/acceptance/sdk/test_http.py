"""What the SDKs do not show: exact JSON, headers, odd requests."""

import gzip
import json
import time
from typing import Any

import pytest

from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.checks import is_timestamp
from tests.acceptance.sdk.conftest import SINGLE
from tests.acceptance.sdk.server import LiveServer

MODELS = "/v1/finetuning/finetuned-models"


def test_times_are_rfc_3339_with_fraction_and_z(
    server: LiveServer, some_dataset: dict[str, Any], some_model: dict[str, Any]
) -> None:
    found = server.request("GET", f"/v1/datasets/{some_dataset['id']}").json["dataset"]
    assert is_timestamp(found["created_at"])
    assert is_timestamp(found["updated_at"])
    found = server.request("GET", f"{MODELS}/{some_model['id']}").json["finetuned_model"]
    assert all(is_timestamp(found[name]) for name in ("created_at", "updated_at", "completed_at"))
    events = server.request("GET", f"{MODELS}/{some_model['id']}/events").json["events"]
    assert all(is_timestamp(event["created_at"]) for event in events)
    steps = server.request("GET", f"{MODELS}/{some_model['id']}/training-step-metrics").json["step_metrics"]
    assert all(is_timestamp(step["created_at"]) for step in steps)


def test_unknown_values_are_left_out_not_null(server: LiveServer, some_dataset: dict[str, Any]) -> None:
    found = server.request("GET", f"/v1/datasets/{some_dataset['id']}").json["dataset"]
    assert None not in found.values()
    assert isinstance(found["schema"], str)


def test_unlabelled_texts_are_learnt_from(
    server: LiveServer, some_model: dict[str, Any], some_dataset: dict[str, Any]
) -> None:
    texts = [
        f"{subject} {verb} {number}"
        for subject in ("my card", "the parcel")
        for verb in ("is", "was")
        for number in range(20)
    ]
    settings = {"base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"}, "dataset_id": some_dataset["id"]}
    wrong = server.request("POST", MODELS, {"name": "x", "settings": {**settings, "unlabelled_texts": ["a", ""]}})
    assert wrong.status == 400
    assert "unlabelled_texts[1] is empty" in wrong.json["message"]
    made = server.request("POST", f"{MODELS}/{some_model['id']}/versions", {"unlabelled_texts": texts})
    number = made.json["version"]["number"]
    deadline = time.monotonic() + 180
    while True:
        versions = server.request("GET", f"{MODELS}/{some_model['id']}/versions").json["versions"]
        version = next(one for one in versions if one["number"] == number)
        if version["status"] in ("STATUS_READY", "STATUS_FAILED"):
            break
        assert time.monotonic() < deadline, version
        time.sleep(0.1)
    assert version["status"] == "STATUS_READY", version
    report = server.request("GET", f"{MODELS}/{some_model['id']}/report?version={number}").json["report"]
    assert report["unlabelled"]["n_unlabelled"] == len(texts)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(server: LiveServer, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {server.key}"}
    assert server.request("POST", "/v1/check-api-key", key=None, headers=headers).status == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "ff_abc"])
def test_headers_without_a_key_are_unauthorized(server: LiveServer, header: str) -> None:
    answer = server.request("POST", "/v1/check-api-key", key=None, headers={"Authorization": header})
    assert answer.status == 401
    assert set(answer.json) == {"message", "id"}


def test_the_doubled_prefix_is_the_same_place(server: LiveServer, some_dataset: dict[str, Any]) -> None:
    assert server.request("GET", f"/v1/v1/datasets/{some_dataset['id']}").json["dataset"]["id"] == some_dataset["id"]
    assert server.request("POST", "/v1/v1/check-api-key").status == 200


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/v2/chat", "/v1/models/a/b%20c"])
def test_unknown_routes_are_not_found_in_our_shape(server: LiveServer, path: str) -> None:
    answer = server.request("GET", path)
    assert answer.status == 404
    assert set(answer.json) == {"message", "id"}
    assert answer.json["id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("query", ["limit=3", "limit=3.0", "limit=", "offset=0.0", "datasetType=", "before="])
def test_numbers_may_be_floats_and_empty_values_are_absent(server: LiveServer, query: str) -> None:
    assert server.request("GET", f"/v1/datasets?{query}").status == 200


@pytest.mark.parametrize("query", ["limit=x", "limit=1.5", "limit=-1", "limit=nan", "before=yesterday", "offset=-2"])
def test_senseless_values_are_bad_requests(server: LiveServer, query: str) -> None:
    answer = server.request("GET", f"/v1/datasets?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json["message"]


@pytest.mark.parametrize(
    "when", ["2026-03-01T09:15:27.482913Z", "2026-03-01T09:15:27%2B02:00", "2026-03-01T09:15:27.482Z"]
)
def test_times_in_queries_may_have_any_zone(server: LiveServer, when: str) -> None:
    assert server.request("GET", f"/v1/datasets?before={when}").json == {"datasets": []}


@pytest.mark.parametrize("path", ["/v1/models", MODELS])
def test_an_empty_page_token_is_absent(server: LiveServer, path: str) -> None:
    assert server.request("GET", f"{path}?page_token=&page_size=5.0").status == 200
    assert server.request("GET", f"{path}?page_token=%21%21").status == 400


@pytest.mark.parametrize("query", ["page_size=0", "page_size=1001", "endpoint=nothing", "default_only=true"])
def test_bad_queries_for_models_are_bad_requests(server: LiveServer, query: str) -> None:
    assert server.request("GET", f"/v1/models?{query}").status == 400


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("train_epochs", "1" + 400 * "0"),
        ("lora_rank", "1e30"),
        ("train_epochs", '"3"'),
        ("train_epochs", "true"),
        ("train_epochs", "1.5"),
        ("learning_rate", '"0.1"'),
        ("early_stopping_threshold", "1e999"),
        ("lora_target_modules", '"\\ud800"'),
        ("lora_target_modules", '"ALL"'),
    ],
)
def test_hyperparameters_of_a_wrong_type_or_size_make_no_model(
    server: LiveServer, some_dataset: dict[str, Any], knob: str, value: str
) -> None:
    body = (
        '{"name": "x", "settings": {"base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"}, '
        f'"dataset_id": "{some_dataset["id"]}", "hyperparameters": {{"{knob}": {value}}}}}}}'
    )
    before = server.request("GET", MODELS).json["total_size"]
    answer = server.request("POST", MODELS, body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert knob in answer.json["message"]
    assert server.request("GET", MODELS).json["total_size"] == before


def test_a_refusal_may_quote_half_of_a_surrogate_pair(server: LiveServer, some_model: dict[str, Any]) -> None:
    body = b'{"name": "x", "settings": {"dataset_id": "\\ud800"}}'
    answer = server.request("PATCH", f"{MODELS}/{some_model['id']}", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert "dataset_id" in answer.json["message"]


@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("embed-english-v2.0", 200),
        ("embed-multilingual-light-v3.0", 200),
        ("embed-v4.0", 200),
        ("command-r-plus-08-2024", 200),
        ("large", 200),
        ("large-20220425", 200),
        ("multilingual-22-12", 200),
        ("small-nonexistent", 404),
        ("base-x", 404),
        ("embed-nope-ft", 404),
        ("cohere-like", 404),
    ],
)
def test_names_of_bases_at_cohere_stand_for_a_base_here_and_no_others(
    server: LiveServer, model: str, status: int
) -> None:
    examples = [{"text": f"{label} {number}", "label": label} for label in "ab" for number in range(2)]
    body = {"inputs": ["a 3"], "examples": examples, "model": model}
    assert server.request("POST", "/v1/classify", body).status == status


def test_default_only_gives_the_default(server: LiveServer) -> None:
    found = server.request("GET", "/v1/models?endpoint=classify&default_only=true").json["models"]
    assert len(found) == 1
    assert found[0]["default_endpoints"] == ["classify"]
    assert found[0]["tokenizer_url"] is None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"),
        (b"[]", "body"),
        (b"", "body"),
        (b'{"inputs": "text"}', "inputs"),
        (b'{"inputs": [1]}', "inputs.0"),
        (b'{"inputs": null}', "inputs"),
        (b"{}", "inputs"),
        (b'{"inputs": ["x"], "truncate": "MIDDLE"}', "truncate"),
        (b'{"inputs": ["x"], "examples": [{"text": "x"}]}', "label"),
        (b'{"inputs": ["\\ud800"]}', ""),
        (b'{"inputs": ["x", "cut \\ud83d"], "model": "MODEL"}', "inputs[1] is not valid Unicode"),
        (b"\xff\xfe", ""),
    ],
)
def test_malformed_bodies_are_400_and_never_422(
    server: LiveServer, some_model: dict[str, Any], body: bytes, word: str
) -> None:
    body = body.replace(b"MODEL", some_model["id"].encode())
    answer = server.request("POST", "/v1/classify", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert set(answer.json) == {"message", "id"}
    assert word in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/classify"), ("PATCH", "/v1/finetuning/finetuned-models/MODEL")]
)
def test_every_endpoint_reads_the_same_bodies(
    server: LiveServer, some_model: dict[str, Any], method: str, path: str
) -> None:
    path = path.replace("MODEL", some_model["id"])
    body = json.dumps({"inputs": ["x"], "model": some_model["id"], "name": some_model["name"]}).encode()
    # As Windows writes files.
    assert server.request(method, path, b"\xef\xbb\xbf" + body).status == 200
    for unreadable in (body.replace(b"x", b"caf\xe9"), gzip.compress(body), b"[" * 100_000):
        answer = server.request(method, path, unreadable)
        assert answer.status == 400
        assert "the body is not valid JSON (" in answer.json["message"]


def test_json_needs_no_content_type(server: LiveServer) -> None:
    body = json.dumps({"inputs": ["x"], "examples": [{"text": f"{n}", "label": str(n % 2)} for n in range(4)]})
    assert server.request("POST", "/v1/classify", body.encode()).status == 200


@pytest.mark.parametrize(
    "body", [b"--x\r\n", b"", b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\ntext,label\r\n']
)
def test_cut_off_forms_are_bad_requests(server: LiveServer, body: bytes) -> None:
    query = "name=cut&type=single-label-classification-finetune-input"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = server.request("POST", f"/v1/datasets?{query}", body, headers=headers)
    assert answer.status == 400
    assert set(answer.json) == {"message", "id"}


@pytest.mark.parametrize(
    ("part", "status"), [("file", 200), ("data", 200), ("eval_data", 400), ("other", 400), ("", 400)]
)
def test_the_part_may_be_called_file_and_nothing_else(server: LiveServer, part: str, status: int) -> None:
    content = tickets.as_csv(tickets.single())
    body = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n' % (part.encode(), content)
    query = "name=part&type=single-label-classification-finetune-input"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.request("POST", f"/v1/datasets?{query}", body, headers=headers).status == status


@pytest.mark.parametrize("query", ["type=single-label-classification-finetune-input", "name=x", "name=x&type="])
def test_name_and_type_are_required(server: LiveServer, query: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\ntext\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.request("POST", f"/v1/datasets?{query}", body, headers=headers).status == 400


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "settings"),
        ({"name": "x", "settings": {}}, "base_model"),
        ({"name": "x", "settings": {"base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"}}}, "dataset_id"),
        ({"name": "x", "settings": {"base_model": {"base_type": "NOT_A_TYPE"}, "dataset_id": "d"}}, "base_type"),
        (
            {"name": "", "settings": {"base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"}, "dataset_id": "d"}},
            "name",
        ),
    ],
)
def test_models_without_what_they_need_are_bad_requests(server: LiveServer, body: dict[str, Any], word: str) -> None:
    answer = server.request("POST", MODELS, body)
    assert answer.status == 400
    assert word in answer.json["message"]


def test_a_secret_for_another_service_is_never_given_back(server: LiveServer, some_dataset: dict[str, Any]) -> None:
    settings = {
        "base_model": {"base_type": "BASE_TYPE_CLASSIFICATION", "strategy": "STRATEGY_TFEW"},
        "dataset_id": some_dataset["id"],
        "wandb": {"project": "p", "api_key": "very-secret", "entity": "e"},
    }
    answer = server.request("POST", MODELS, {"name": "wandb", "settings": settings})
    assert answer.status == 200
    assert b"very-secret" not in answer.content
    assert server.request("DELETE", f"{MODELS}/{answer.json['finetuned_model']['id']}").json == {}


@pytest.mark.parametrize(
    ("name", "told"), [("engish-små", True), ("", False), ("default", False), ("embed-english-v3.0", False)]
)
def test_a_base_that_is_not_there_is_told(
    server: LiveServer, some_dataset: dict[str, Any], name: str, told: bool
) -> None:
    base = {"base_type": "BASE_TYPE_CLASSIFICATION", "name": name}
    body = {"name": "typo", "settings": {"base_model": base, "dataset_id": some_dataset["id"]}}
    answer = server.request("POST", MODELS, body)
    assert answer.status == 200
    warning = answer.headers.get("x-api-warning", "")
    assert warning.startswith(r"There is no base 'engish-sm\xe5';") == told
    assert bool(warning) == told
    assert server.request("DELETE", f"{MODELS}/{answer.json['finetuned_model']['id']}").json == {}


def test_a_huge_body_is_a_bad_request(server: LiveServer) -> None:
    body = json.dumps({"inputs": ["x" * 20_000_000]}).encode()
    answer = server.request("POST", "/v1/classify", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert "larger" in answer.json["message"]


def test_other_sites_get_nothing(server: LiveServer) -> None:
    answer = server.request("GET", "/v1/models", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].startswith("application/json")


def test_health_readiness_and_figures(server: LiveServer) -> None:
    assert server.request("GET", "/healthz", key=None).json == {"status": "ok"}
    for path in ("/healthz", "/readyz"):  # as some load balancers ask
        head = server.request("HEAD", path, key=None)
        assert (head.status, head.content) == (200, b"")
    ready = server.request("GET", "/readyz", key=None)
    assert (ready.status, ready.json["status"]) == (200, "ok"), ready.json
    figures = server.request("GET", "/metrics", key=None).content.decode()
    for name in ("fewfit_requests_total", "fewfit_request_seconds_bucket", "fewfit_jobs", "fewfit_models_in_memory"):
        assert name in figures


def test_the_reference_page_shows_every_endpoint_and_loads_nothing(server: LiveServer) -> None:
    page = server.request("GET", "/docs", key=None).content.decode()
    described = server.request("GET", "/openapi.json", key=None).json
    for path in described["paths"]:
        assert path in page
    assert "<script" not in page
    assert "https://" not in page


def test_logs_have_request_ids_and_no_texts_or_keys(server: LiveServer) -> None:
    text = "a very private sentence"
    examples = [{"text": f"{text} {n}", "label": str(n % 2)} for n in range(4)]
    answer = server.request("POST", "/v1/classify", {"inputs": [text], "examples": examples})
    deadline_s = time.monotonic() + 10
    while answer.headers["x-request-id"] not in "".join(server.lines) and time.monotonic() < deadline_s:
        time.sleep(0.01)  # the line is written after the answer is sent
    log = "".join(server.lines)
    assert answer.headers["x-request-id"] in log
    assert text not in log
    assert log.count(server.key) <= 1  # the one line on the first start


@pytest.mark.parametrize("filename", ["データ.csv", "€ é.csv", 'a\\"b.csv', "a\0b.csv"])
def test_an_original_of_any_name_is_sent(server: LiveServer, filename: str) -> None:
    content = tickets.as_csv(tickets.single())
    head = f'--x\r\nContent-Disposition: form-data; name="data"; filename="{filename}"\r\n\r\n'.encode()
    made = server.request(
        "POST",
        f"/v1/datasets?name=original&type={SINGLE}&keep_original_file=true&skip_malformed_input=",
        head + content + b"\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert made.status == 200, made.content
    deadline = time.monotonic() + 60
    while True:
        found = server.request("GET", f"/v1/datasets/{made.json['id']}").json["dataset"]
        if found["validation_status"] in ("validated", "failed"):
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["validation_status"] == "validated", found
    sent = server.request("GET", found["dataset_parts"][0]["original_url"].partition(server.url)[2], key=None)
    assert (sent.status, sent.content) == (200, content)


@pytest.mark.parametrize("query", ["validationStatus=skipped", "validationStatus=unknown", "datasetType=embed-input"])
def test_filters_of_the_sdks_that_nothing_meets_find_nothing(server: LiveServer, query: str) -> None:
    found = server.request("GET", f"/v1/datasets?{query}")
    assert (found.status, found.json) == (200, {"datasets": []})


def test_a_plus_that_became_a_space_is_a_plus(server: LiveServer, some_dataset: dict[str, Any]) -> None:
    found = server.request("GET", "/v1/datasets?after=2020-01-01T00:00:00+02:00")
    assert found.status == 200, found.content
    assert some_dataset["id"] in {one["id"] for one in found.json["datasets"]}


def test_fine_tuned_models_are_listed_oldest_first(server: LiveServer, some_model: dict[str, Any]) -> None:
    listed = server.request("GET", f"{MODELS}?page_size=1001").json["finetuned_models"]
    assert some_model["id"] in {one["id"] for one in listed}
    assert listed == server.request("GET", f"{MODELS}?order_by=created_at").json["finetuned_models"]
    assert [one["created_at"] for one in listed] == sorted(one["created_at"] for one in listed)


@pytest.mark.parametrize("model", ["multilingual-22-12", "english-v2.0", "cohere-medium", "embed-english-v3.0"])
def test_names_of_the_retired_bases_are_taken_with_examples(server: LiveServer, model: str) -> None:
    examples = [{"text": text, "label": label} for text, label in tickets.single()[:40]]
    found = server.request("POST", "/v1/classify", {"model": model, "inputs": ["hello"], "examples": examples})
    assert found.status == 200, found.content
