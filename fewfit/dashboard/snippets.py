"""Calls to copy. The tests run them as they stand, with a key in place of the placeholder."""

from typing import Final

KEY: Final = "ff_your_key"
_TEXTS = ("Where is my order?", "I want my money back")


def snippets(url: str, model: str, *, several: bool) -> list[tuple[str, str]]:
    """A call of a model in each language: (language, code). `several` for models with several labels a text."""
    return [
        ("Python", _python(url, model, several)),
        ("Node", _node(url, model, several)),
        ("curl", _curl(url, model)),
    ]


def _python(url: str, model: str, several: bool) -> str:
    first, second = _TEXTS
    shown = "item.predictions, item.confidences" if several else "item.prediction, item.confidence"
    return f'''# pip install cohere
import cohere

client = cohere.Client(api_key="{KEY}", base_url="{url}")
answer = client.classify(
    model="{model}",
    inputs=["{first}", "{second}"],
)
for item in answer.classifications:
    print(item.input, {shown})
'''


def _node(url: str, model: str, several: bool) -> str:
    first, second = _TEXTS
    shown = "item.predictions, item.confidences" if several else "item.prediction, item.confidence"
    return f'''// npm install cohere-ai
const {{ CohereClient }} = require("cohere-ai");

const client = new CohereClient({{ token: "{KEY}", environment: "{url}" }});

async function main() {{
  const answer = await client.classify({{
    model: "{model}",
    inputs: ["{first}", "{second}"],
  }});
  for (const item of answer.classifications) {{
    console.log(item.input, {shown});
  }}
}}

main();
'''


def _curl(url: str, model: str) -> str:
    first, second = _TEXTS
    return f'''curl {url}/v1/classify \\
  -H "Authorization: Bearer {KEY}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "inputs": ["{first}", "{second}"]}}'
'''
