"""`python -m tools.api_types`: writes ui/src/lib/api.gen.ts, the types of the payloads of the API, from the structs.

`PAYLOADS` names the structs that the page reads; those below them come along. A field that may be missing from the JSON is
optional there. A test compares what `text` gives with the file.
"""

from __future__ import annotations

import sys
import types
import typing
from collections import deque
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType

from swapyard.api import catalog, details, found, load, parameters, profiles, running, status, transitions
from swapyard.observe import captures, history
from swapyard.observe.activity import rows as activity
from swapyard.observe.activity import statistics
from swapyard.observe.system import rows
from swapyard.observe.system.hardware import snapshot

FILE = Path(__file__).parents[1] / "ui" / "src" / "lib" / "api.gen.ts"
MADE = "// Made by `make types` from the structs of the server. Change those, not this file.\n"

# By the name that the page knows it by.
PAYLOADS: dict[str, type[Struct]] = {
    "Change": history.Change,
    "TransitionPage": transitions.Page,
    "ModelStatus": status.ModelStatus,
    "GpuMemory": details.GpuMemory,
    "ModelRun": details.Run,
    "ModelLoads": details.Loads,
    "Models": details.Models,
    "ModelGroup": details.Group,
    "ModelSet": details.Set,
    "ModelRouting": details.Routing,
    "MemorySample": details.MemorySample,
    "ModelMemory": details.Memory,
    "ModelParameter": parameters.Parameter,
    "CatalogEntry": catalog.Entry,
    "Catalog": catalog.Catalog,
    "FoundFolder": found.FoundFolder,
    "FoundFile": found.FoundFile,
    "Found": found.Found,
    "ModelDetails": details.Details,
    "ModelDetailsList": details.DetailsList,
    "Plan": details.Plan,
    "LoadRecord": load.LoadRecord,
    "ProfileRecord": profiles.ProfileRecord,
    "ProfileList": profiles.ProfileList,
    "Running": running.Running,
    "NetIo": rows.NetIo,
    "SystemStats": rows.SystemRow,
    "GpuStats": rows.GpuRow,
    "Hardware": snapshot.Snapshot,
    "HardwareCapture": snapshot.Capture,
    "HardwareDetector": snapshot.Detector,
    "HardwareArchitecture": snapshot.Architecture,
    "HardwareSystem": snapshot.OperatingSystem,
    "HardwareEnvironment": snapshot.Environment,
    "HardwareCpu": snapshot.Cpu,
    "HardwareMemory": snapshot.Memory,
    "Accelerator": snapshot.Accelerator,
    "AcceleratorMemory": snapshot.AcceleratorMemory,
    "AcceleratorDriver": snapshot.Driver,
    "Capture": captures.Payload,
    "ActivityTokens": activity.Tokens,
    "ActivityTiming": activity.Timing,
    "ActivityRow": activity.Row,
    "ActivitySearch": activity.Search,
    "ActivityPage": activity.Listing,
    "Histogram": statistics.Histogram,
    "Statistics": statistics.Statistics,
}

PLAIN = {
    str: "string",
    bytes: "string",  # base64
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
    Any: "unknown",
    object: "unknown",
}


def main() -> int:
    FILE.write_text(text(), encoding="utf-8")
    return 0


def text() -> str:
    return MADE + "".join(f"\nexport interface {name} {{\n{''.join(fields(kind))}}}\n" for name, kind in PAYLOADS.items())


def fields(kind: type[Struct]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        parts = alternatives(hints[field.name])
        has_default = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        may_miss = UnsetType in parts or (has_default and kind.__struct_config__.omit_defaults)
        told = " | ".join(typed(part) for part in parts if part is not UnsetType)
        yield f"  {field.encode_name}{'?' if may_miss else ''}: {told};\n"


def alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def typed(hint: Any) -> str:
    """Raises KeyError for what has no type in TypeScript yet; a struct has to be among `PAYLOADS`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return typed(arguments[0])
    if origin is typing.Literal:
        return " | ".join(f'"{choice}"' for choice in arguments)
    if origin in (list, tuple, deque, set, frozenset) or (isinstance(origin, type) and origin.__name__ == "Sequence"):
        inside = " | ".join(typed(part) for part in alternatives(arguments[0]))
        return f"({inside})[]" if "|" in inside else f"{inside}[]"
    if origin is dict or (isinstance(origin, type) and origin.__name__ == "Mapping"):
        return f"Record<string, {' | '.join(typed(part) for part in alternatives(arguments[1]))}>"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " | ".join(f'"{member.value}"' for member in hint)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return next(name for name, kind in PAYLOADS.items() if kind is hint)
    return PLAIN[hint]


if __name__ == "__main__":
    sys.exit(main())
