"""A page that shows every endpoint, from the OpenAPI description, without a script or anything from elsewhere."""

from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8886; border-radius: 6px; }
section { margin: 2rem 0; border-top: 1px solid #8884; padding-top: 1rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; }
"""


@router.get("/docs", response_class=HTMLResponse)
async def show(request: Request) -> HTMLResponse:
    """The reference as a page."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page(request.app.openapi()), headers={"Content-Security-Policy": policy})


def page(description: Mapping[str, Any]) -> str:
    """An OpenAPI description as HTML."""
    schemas = description.get("components", {}).get("schemas", {})
    sections = [
        _operation(method, path, operation, schemas)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    title = escape(f"{description['info']['title']} {description['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>{escape(description['info'].get('description', ''))} "
        '<a href="openapi.json">The same as OpenAPI</a>.</p>' + "".join(sections) + "</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>",
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    rows = [(one["in"], one) for one in operation.get("parameters", [])]
    if rows:
        parts.append("<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>")
        for place, one in rows:
            need = "required. " if one.get("required") else ""
            text = escape(need + one.get("description", ""))
            kind = escape(_kind(one.get("schema", {})))
            parts.append(
                f"<tr><td><code>{escape(one['name'])}</code></td><td>{place}</td><td>{kind}</td><td>{text}</td></tr>"
            )
        parts.append("</table>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h3>Body, {escape(kind)}</h3>{_fields(content.get('schema', {}), schemas)}")
    answer = (
        operation.get("responses", {}).get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    )
    if answer:
        parts.append(f"<h3>Answer</h3>{_fields(answer, schemas)}")
    return "".join([*parts, "</section>"])


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> str:
    found = _resolved(schema, schemas)
    properties = found.get("properties", {})
    if not properties or depth > 5:
        return "" if depth else f"<p>{escape(_kind(found))}</p>"
    items = []
    for name, one in properties.items():
        need = "" if name in found.get("required", []) else " (optional)"
        text = escape(one.get("description", ""))
        inner = _fields(_inside(one), schemas, depth + 1)
        items.append(f"<li><code>{escape(name)}</code> {escape(_kind(one))}{need} {text}{inner}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _inside(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a list, a map or an optional value holds."""
    for choice in schema.get("anyOf", []):
        if choice.get("type") != "null":
            return _inside(choice)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            return _inside(schema[key])
    return schema


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(_inside(schema).get("$ref", ""))
    found = schemas.get(reference.rpartition("/")[2], schema) if reference else schema
    assert isinstance(found, Mapping)
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "object"))
