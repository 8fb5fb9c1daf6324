"""Calls the installed `cohere` package for the tests: one JSON request a line in, one JSON answer a line out.

Runs in the SDK's own environment, so nothing of fewfit is imported. A value that JSON cannot say is an object
with one key that starts with "$": {"$open": path}, {"$bytes": base64}, {"$bytesio": base64},
{"$tuple": [...]}, {"$type": [name, fields]} (a class of cohere.finetuning.finetuning or cohere),
{"$datetime": text}, {"$result": number} (what call number N returned).
"""

import asyncio
import base64
import datetime
import inspect
import io
import json
import sys
import typing

import cohere
import cohere.core.api_error
import cohere.finetuning.finetuning as finetuning

ANSWERS = sys.stdout
sys.stdout = sys.stderr  # client.wait prints dots


def given(value: typing.Any, results: list[typing.Any]) -> typing.Any:
    if isinstance(value, list):
        return [given(item, results) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "$open":
            return open(inner, "rb")  # noqa: PTH123 - as users do
        if key == "$bytes":
            return base64.b64decode(inner)
        if key == "$bytesio":
            return io.BytesIO(base64.b64decode(inner))
        if key == "$tuple":
            return tuple(given(item, results) for item in inner)
        if key == "$datetime":
            return datetime.datetime.fromisoformat(inner)
        if key == "$result":
            return results[inner]
        if key == "$dataset":
            return results[inner].dataset
        if key == "$type":
            name, fields = inner
            kind = getattr(finetuning, name, None) or getattr(cohere, name)
            return kind(**given(fields, results))
    return {key: given(item, results) for key, item in value.items()}


def told(value: typing.Any) -> typing.Any:
    """A result as JSON: only what the server sent, times as {"$datetime": ISO text}."""
    if hasattr(value, "model_fields_set"):
        # Not getattr: `schema` would find pydantic's own method where the field is an extra one.
        fields = {**vars(value), **(value.model_extra or {})}
        return {
            name.rstrip("_"): told(fields[name] if name in fields else fields[f"{name}_"])
            for name in sorted(value.model_fields_set)
        }
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    if isinstance(value, datetime.datetime):
        return {"$datetime": value.isoformat()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return {"$repr": repr(value)}


def failure(error: BaseException) -> dict[str, typing.Any]:
    found: dict[str, typing.Any] = {
        "type": type(error).__name__,
        "text": str(error),
        "family": [kind.__name__ for kind in type(error).__mro__],
    }
    if isinstance(error, cohere.core.api_error.ApiError):
        headers = {name.lower(): text for name, text in dict(error.headers or {}).items()}
        found.update(status=error.status_code, body=error.body, headers=headers)
    return found


def main() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    clients: dict[str, typing.Any] = {}
    results: list[typing.Any] = []
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, typing.Any]
        result = None
        try:
            place = json.dumps([request["client"], request["options"]])
            if place not in clients:
                clients[place] = getattr(cohere, request["client"])(**request["options"])
            target = clients[place]
            for name in request["call"].split("."):
                target = getattr(target, name)
            result = target(*given(request["args"], results), **given(request["kwargs"], results))
            if inspect.isawaitable(result):
                result = loop.run_until_complete(result)
            if request["call"].startswith("with_raw_response."):
                result = result.data
            answer = {"result": told(result)}
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the answer
            answer = {"error": failure(error)}
        results.append(result)
        ANSWERS.write(json.dumps(answer) + "\n")
        ANSWERS.flush()


main()
