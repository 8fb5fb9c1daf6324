"""The SDKs as the tests see them: one set of calls for both languages, answers in the wire's own words."""

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, cast

from tests.acceptance.sdk.packages import PACKAGES, command


class SdkError(Exception):
    """What the SDK raised."""

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__(f"{found['type']}: {found['text']}")
        self.type: str = found["type"]
        self.family: list[str] = found["family"]
        self.status: int | None = found.get("status")
        self.body: Any = found.get("body")
        self.headers: dict[str, str] = found.get("headers") or {}

    @property
    def message(self) -> str:
        return str(self.body["message"])


class Sdk:
    """One version of an SDK in a process of its own, talking to one server with one key.

    Calls are named after the Python methods; results have the wire's snake_case names, and times are
    {"$datetime": ISO text}. Python's optional `client` names the class to call through.
    """

    def __init__(self, name: str, base_url: str, key: str) -> None:
        self.name = name
        self.package = PACKAGES[name]
        self.base_url = base_url
        self.key = key
        self._process = subprocess.Popen(
            command(self.package), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._calls = 0

    @property
    def is_python(self) -> bool:
        return self.package.language == "python"

    @property
    def last(self) -> dict[str, int]:
        """Stands for the result of the last call, as the SDK's own object (Python only)."""
        return {"$result": self._calls - 1}

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    # Calls ----------------------------------------------------------------------------------------

    def check_api_key(self, **where: Any) -> Any:
        return self.call("with_raw_response.check_api_key" if self.is_python else "check_api_key", **where)

    def create_dataset(self, data: Any, *, name: str, type: str, eval_data: Any = None, **query: Any) -> str:
        where = _where(query)
        if self.is_python:
            files: dict[str, Any] = {"data": data}
            if eval_data is not None:
                files["eval_data"] = eval_data
            answer = self.call("datasets.create", name=name, type=type, **files, **query, **where)
        else:
            request = {"name": name, "type": type} | query
            answer = self.call("datasets.create", data, eval_data, _camel(request), **where)
        assert list(answer) == ["id"]
        return cast(str, answer["id"])

    def list_datasets(self, **query: Any) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self._request("datasets.list", **query)["datasets"])

    def get_dataset(self, id: str, **where: Any) -> dict[str, Any]:
        return cast(dict[str, Any], self.call("datasets.get", id, **where)["dataset"])

    def create_model(self, name: str, dataset_id: str, **settings: Any) -> dict[str, Any]:
        where = _where(settings)
        base: dict[str, Any] = {"base_type": "BASE_TYPE_CLASSIFICATION", **settings.pop("base_model", {})}
        settings |= {"dataset_id": dataset_id, "base_model": base}
        if self.is_python:
            settings["base_model"] = {"$type": ["BaseModel", base]}
            if "hyperparameters" in settings:
                settings["hyperparameters"] = {"$type": ["Hyperparameters", settings["hyperparameters"]]}
            request: dict[str, Any] = {
                "$type": ["FinetunedModel", {"name": name, "settings": {"$type": ["Settings", settings]}}]
            }
            answer = self.call("finetuning.create_finetuned_model", request=request, **where)
        else:
            request = {"name": name, "settings": settings}
            answer = self.call("finetuning.create_finetuned_model", _camel(request), **where)
        return cast(dict[str, Any], answer["finetuned_model"])

    def get_model(self, id: str, **where: Any) -> dict[str, Any]:
        return cast(dict[str, Any], self.call("finetuning.get_finetuned_model", id, **where)["finetuned_model"])

    def update_model(self, id: str, name: str, settings: dict[str, Any], **fields: Any) -> dict[str, Any]:
        where = _where(fields)
        if self.is_python:
            base = {"$type": ["BaseModel", settings["base_model"]]}
            given = {"$type": ["Settings", settings | {"base_model": base}]}
            answer = self.call("finetuning.update_finetuned_model", id, name=name, settings=given, **fields, **where)
        else:
            request = {"name": name, "settings": settings} | fields
            answer = self.call("finetuning.update_finetuned_model", id, _camel(request), **where)
        return cast(dict[str, Any], answer["finetuned_model"])

    def list_models(self, **query: Any) -> dict[str, Any]:
        return self._request("models.list", **query)

    def list_finetuned(self, **query: Any) -> dict[str, Any]:
        return self._request("finetuning.list_finetuned_models", **query)

    def list_events(self, id: str, **query: Any) -> dict[str, Any]:
        return self._request("finetuning.list_events", id, **query)

    def list_steps(self, id: str, **query: Any) -> dict[str, Any]:
        return self._request("finetuning.list_training_step_metrics", id, **query)

    def classify(self, **request: Any) -> dict[str, Any]:
        where = _where(request)
        if self.is_python and request.get("examples"):
            request["examples"] = [{"$type": ["ClassifyExample", example]} for example in request["examples"]]
        return self._request("classify", **request, **where)

    def tokenize(self, text: str, model: str, **where: Any) -> dict[str, Any]:
        # Python would try the model's tokenizer first; here it is the endpoint that is meant.
        return self._request(
            "tokenize", text=text, model=model, **({"offline": False} if self.is_python else {}), **where
        )

    def detokenize(self, tokens: list[int], model: str, **where: Any) -> dict[str, Any]:
        offline = {"offline": False} if self.is_python else {}
        return self._request("detokenize", tokens=tokens, model=model, **offline, **where)

    def _request(self, call: str, *args: Any, **fields: Any) -> dict[str, Any]:
        where = _where(fields)
        if self.is_python:
            return cast(dict[str, Any], self.call(call, *args, **fields, **where))
        return cast(dict[str, Any], self.call(call, *args, _camel(fields), **where))

    def call(self, call: str, *args: Any, **kwargs: Any) -> Any:
        """One call as the SDK has it; raises SdkError. `key`, `base_url` and `client` choose another client."""
        where = _where(kwargs)
        key = where.get("key", self.key)
        base_url = where.get("base_url", self.base_url)
        if self.is_python:
            client, options = where.get("client", "Client"), {"api_key": key, "base_url": base_url}
        else:
            client, options = where.get("client", "CohereClient"), {"token": key, "environment": base_url}
            call = ".".join(_camel_name(name) for name in call.split("."))
        request = {"client": client, "options": options | where.get("options", {}), "call": call}
        answer = self._ask(request | {"args": list(args), "kwargs": kwargs})
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer.get("result") if self.is_python else _snake(answer.get("result"))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._calls += 1
        self._process.stdin.write(json.dumps(request) + "\n")
        line = self._process.stdout.readline()
        assert line, f"the bridge of {self.package.name} {self.package.version} ended"
        return cast(dict[str, Any], json.loads(line))


def encoded(kind: str, content: bytes) -> dict[str, str]:
    """A value for the bridge that JSON cannot say: kind is bytes, bytesio, buffer or blob."""
    return {f"${kind}": b64encode(content).decode()}


def _where(fields: dict[str, Any]) -> dict[str, Any]:
    """Takes what chooses the client out of `fields`."""
    return {name: fields.pop(name) for name in ("client", "key", "base_url", "options") if name in fields}


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _camel(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key if key.startswith("$") else _camel_name(key): _camel(item) for key, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _snake(value: Any, *, keys: bool = True) -> Any:
    """Node's camelCase turned back; the keys of `labels` are the user's own and stay."""
    if isinstance(value, Mapping):
        return {
            re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower() if keys else key: _snake(item, keys=key != "labels")
            for key, item in value.items()
        }
    return [_snake(item) for item in value] if isinstance(value, list) else value
