"""What can go wrong, told once: a few classes, each with its HTTP status, type and code.

    SwapyardError
    |- ConfigError          the configuration text is wrong (never sent to a client)
    |- RequestError         the root of everything that a client may see
       |- BadRequest         400  the message names the field and the place
       |  `- UnsupportedEncoding 415
       |- Unauthorized       401
       |- NotFound           404  (ModelNotFound: an unknown name, with the nearest known ones)
       |- MethodNotAllowed   405
       |- Conflict           409
       |- TooManyRequests    429  carries Retry-After
       |- UpstreamFailed     502  (StartFailed: 502, or 503 when it is worth trying again)
       |- Unavailable        503
       |- UpstreamTimeout    504
       |- StorageFailed      507  a body that has to be kept on disk does not fit there

Raised where the fact is known; `proxy.replies` and `api` render them, in the shape of the API that was called.
Nothing in here may import anything of ours.
"""

from __future__ import annotations

from collections.abc import Sequence


class SwapyardError(Exception):
    """Root of every error that Swapyard raises on purpose."""


class ConfigError(SwapyardError):
    """The configuration is wrong. `problems` holds every finding, sorted, one line each; `warnings` what else was seen."""

    def __init__(self, problems: Sequence[str], warnings: Sequence[str] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)


class RequestError(SwapyardError):
    """An error that is answered to a client.

    `message` is for people, `param` names the field of the request that caused it, `retry_after` is in whole seconds.
    """

    status = 500
    type = "server_error"
    code = "internal_error"
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        if code is not None:
            self.code = code


class BadRequest(RequestError):
    status = 400
    type = "invalid_request_error"
    code = "bad_request"


class UnsupportedEncoding(BadRequest):
    status = 415
    code = "unsupported_encoding"

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"a body with Content-Encoding {encoding[:40]} cannot be read here, and it names the model; send it plain"
        )


class Unauthorized(RequestError):
    status = 401
    type = "authentication_error"
    code = "unauthorized"
    headers: tuple[tuple[str, str], ...] = (("WWW-Authenticate", 'Basic realm="swapyard"'),)


class NotFound(RequestError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"

    def __init__(self, name: str, nearest: Sequence[str] = (), profiles: Sequence[str] = ()) -> None:
        """`profiles`: those that would know the name if they were active, which is a better hint than a name like it."""
        hint = ""
        if profiles:
            quoted = [f'"{profile}"' for profile in profiles]
            hint = f" without the profile {either(quoted)}"
        elif nearest:
            quoted = [f'"{known}"' for known in nearest]
            hint = f"; did you mean {either(quoted)}?"
        super().__init__(f'model "{name}" is not known here{hint}', param="model")
        self.name = name
        self.nearest = tuple(nearest)


class MethodNotAllowed(RequestError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not allowed on {path}; use {either(allowed)}")
        self.headers = (("Allow", ", ".join(allowed)),)


class Conflict(RequestError):
    status = 409
    type = "invalid_request_error"
    code = "conflict"


class Cancelled(RequestError):
    """An operator has ended the request. No status of HTTP says so; this one no client takes for a reason to try again."""

    status = 499
    type = "invalid_request_error"
    code = "cancelled"


class TooManyRequests(RequestError):
    status = 429
    type = "rate_limit_error"
    code = "concurrency_limit"

    def __init__(self, message: str, *, retry_after: int = 1, code: str | None = None) -> None:
        super().__init__(message, retry_after=retry_after, code=code)


class UpstreamFailed(RequestError):
    status = 502
    code = "bad_gateway"


class StartFailed(UpstreamFailed):
    """A model's server did not come up. `worth_retrying` makes it a 503 with Retry-After."""

    def __init__(self, message: str, *, worth_retrying: bool = False) -> None:
        super().__init__(message, retry_after=1 if worth_retrying else None, code="model_start_failed")
        if worth_retrying:
            self.status = 503


class Unavailable(RequestError):
    status = 503
    code = "service_unavailable"


class UpstreamTimeout(RequestError):
    status = 504
    code = "gateway_timeout"


class StorageFailed(RequestError):
    status = 507
    code = "insufficient_storage"


def either(choices: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last
