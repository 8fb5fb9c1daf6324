// Calls the installed `cohere-ai` package for the tests: one JSON request a line in, one JSON answer a line out.
// argv[2] is the folder with node_modules. A value that JSON cannot say is an object with one key that starts
// with "$": {$stream: path}, {$path: path}, {$buffer: base64}, {$blob: base64}, {$file: [name, base64]}, {$date: text}.
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { File } = require("buffer");
const cohere = require(path.join(process.argv[2], "node_modules", "cohere-ai"));

const decode = (text) => Buffer.from(text, "base64");

function given(value) {
  if (Array.isArray(value)) return value.map(given);
  if (value === null || typeof value !== "object") return value === null ? undefined : value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0].startsWith("$")) {
    const inner = value[keys[0]];
    switch (keys[0]) {
      case "$stream": return fs.createReadStream(inner);
      case "$path": return { path: inner };
      case "$buffer": return decode(inner);
      case "$blob": return new Blob([decode(inner)]);
      case "$file": return new File([decode(inner[1])], inner[0]);
      case "$date": return new Date(inner);
      case "$null": return null;
      default: throw new Error(`unknown ${keys[0]}`);
    }
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, given(item)]));
}

function told(value) {
  if (value instanceof Date) return { $datetime: value.toISOString() };
  if (Array.isArray(value)) return value.map(told);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, told(item)]));
  }
  return value;
}

function failure(error) {
  const family = [];
  for (let kind = error.constructor; kind && kind.name; kind = Object.getPrototypeOf(kind)) family.push(kind.name);
  const headers = error.rawResponse ? Object.fromEntries(error.rawResponse.headers) : {};
  return { type: error.constructor.name, text: String(error), family, status: error.statusCode, body: error.body, headers };
}

const clients = new Map();

async function answer(request) {
  try {
    const place = JSON.stringify([request.client, request.options]);
    if (!clients.has(place)) clients.set(place, new cohere[request.client](request.options));
    const names = request.call.split(".");
    let target = clients.get(place);
    for (const name of names.slice(0, -1)) target = target[name];
    const result = await target[names[names.length - 1]](...request.args.map(given));
    return { result: told(result) };
  } catch (error) {
    return { error: failure(error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
  }
})();
