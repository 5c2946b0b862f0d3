"""`swapyard schema`: JSON Schema of the configuration file, for editors.

Made from the table that the loader reads files by (`config.file`), so that the two cannot drift. What the loader accepts
besides the plain type is added here: a macro reference in the place of a number or boolean, any scalar in the place of a
string.
"""

from __future__ import annotations

import json
from typing import Any, TextIO

import msgspec

from swapyard.config.file import OTHERS, FileConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = {"type": "string", "pattern": r"\$\{[^}]+\}"}
WORDS = {"enum": ["yes", "no", "on", "off", "y", "n"]}


def run(out: TextIO) -> int:
    """Prints the schema; the exit status."""
    json.dump(schema(), out, indent=2, ensure_ascii=False)
    out.write("\n")
    return 0


def schema() -> dict[str, Any]:
    made = msgspec.json.schema(FileConfig)
    definitions = {name.removeprefix("File"): lenient(part) for name, part in made["$defs"].items()}
    made = {"$schema": DIALECT, "title": "Swapyard configuration", **made, "$defs": definitions}
    found: dict[str, Any] = json.loads(json.dumps(made).replace('"#/$defs/File', '"#/$defs/'))
    return found


def lenient(part: Any) -> Any:
    """The schema with what the loader accepts beyond it. Keys that are optional may also be empty (null)."""
    if isinstance(part, list):
        return [lenient(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    widened = {key: lenient(entry) if key != "default" else entry for key, entry in part.items()}
    widened.pop("title", None)
    about = {key: widened.pop(key) for key in ("description", "default") if key in widened}
    if "enum" in widened:
        return about | {"anyOf": [widened, REFERENCE, {"type": "null"}]}
    match widened.get("type"):
        case "integer" | "number":
            widened = {"anyOf": [widened, REFERENCE, {"type": "null"}]}
        case "boolean":
            widened = {"anyOf": [widened, REFERENCE, WORDS, {"type": "null"}]}
        case "string":
            widened["type"] = ["string", "number", "boolean", "null"]
        case "array":
            widened["type"] = ["array", "null"]
        case "object":
            widened["type"] = ["object", "null"]
            if "properties" in widened:
                # The loader warns of unknown keys, but where any may be the name of an installed strategy.
                others = widened["properties"].pop(OTHERS, None)
                widened["additionalProperties"] = {"description": others["description"]} if others else False
    return about | widened
