"""Whether OpenTelemetry traces are wanted: the standard environment says so, and the packages of `swapyard[otel]` do it.

Nothing of OpenTelemetry is imported before it is asked for. What a request becomes is in `observe.spans`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from swapyard.observe.spans import Tracing

PROTOCOL: Final = "http/protobuf"
ASKING: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER")
PACKAGES: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


def tracing_asked_for(environ: Mapping[str, str], warn: Callable[[str], None]) -> Tracing | None:
    """None where nobody asks for traces, or it cannot be done, of which `warn` is told. `warn` is called by any thread."""
    if not is_asked_for(environ, warn):
        return None
    if not are_installed(PACKAGES):
        warn('traces are asked for by the environment (OTEL_...), but their packages are missing: install "swapyard[otel]"')
        return None
    from swapyard.observe.spans import Tracing, exporting_provider  # they take a while to import

    try:
        return Tracing(exporting_provider(warn))
    except ValueError as error:  # a number in a variable of the SDK's
        warn(f"no traces are sent, the environment (OTEL_...) is at fault: {error}")
        return None


def is_asked_for(environ: Mapping[str, str], warn: Callable[[str], None]) -> bool:
    """By the variables of the OpenTelemetry specification, where an empty one counts as absent."""
    asking = {name: value for name in ASKING if (value := environ.get(name, "").strip())}
    if not asking or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = {name.strip().lower() for name in asking.get("OTEL_TRACES_EXPORTER", "otlp").split(",")}
    if "none" in exporters:
        return False
    if "otlp" not in exporters:
        warn(f"no traces are sent: OTEL_TRACES_EXPORTER={asking['OTEL_TRACES_EXPORTER']}, only otlp is known here")
        return False
    name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    if not environ.get(name, "").strip():
        name = "OTEL_EXPORTER_OTLP_PROTOCOL"
    if (protocol := environ.get(name, "").strip()) not in ("", PROTOCOL):
        warn(f"traces are sent as {PROTOCOL}, whatever {name}={protocol} says")
    return True


def are_installed(modules: tuple[str, ...]) -> bool:
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:  # not even the package that the module would be in
        return False
