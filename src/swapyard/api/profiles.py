"""Which profiles there are, which one is active, and the switch: one for all clients. A reload ends it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services
from swapyard.config.schema import Config
from swapyard.errors import BadRequest, NotFound

_WANTED = 'a JSON object {"name": ...} is needed, with the id of a profile, or null for none'


class ProfileRecord(Struct, frozen=True):
    """A pin's target "" switches its name off."""

    id: str
    description: str
    pins: dict[str, str]


class ProfileList(Struct, frozen=True):
    active: str | None
    profiles: list[ProfileRecord]


def routes(services: Services) -> list[Route]:
    async def list_profiles(_request: Request) -> Response:
        """The profiles, and which one is active."""
        profiles = sorted(services.config().profiles.items())
        records = [ProfileRecord(id_, profile.description, profile.pins) for id_, profile in profiles]
        return json_answer(ProfileList(services.active_profile(), records))

    async def switch(request: Request) -> Response:
        """Makes a profile the active one, or none."""
        wanted = profile_named(await request.body())
        if wanted is not None:
            require_known(wanted, services.config())
        services.activate_profile(wanted)
        return json_answer({"active": wanted})

    return [
        Route("/api/profiles", list_profiles),
        Route("/api/profiles/active", switch, methods=["PUT"]),
    ]


def profile_named(body: bytes) -> str | None:
    """The `name` of the first JSON value in a body, whatever its content type; None for null and "". Raises BadRequest."""
    try:
        asked, _ = json.JSONDecoder().raw_decode(body.decode().lstrip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise BadRequest(f"the body is no JSON; {_WANTED}") from None
    if asked is None or (isinstance(asked, dict) and "name" not in asked):
        raise BadRequest(f'"name" is missing; {_WANTED}', param="name")
    if not isinstance(asked, dict):
        raise BadRequest(f"the body is JSON, but no object; {_WANTED}")
    name: Any = asked["name"]
    if name is not None and not isinstance(name, str):
        raise BadRequest(f'"name" is neither text nor null; {_WANTED}', param="name")
    return name or None


def require_known(profile: str, config: Config) -> None:
    """Raises NotFound, which tells the nearest one."""
    if profile not in config.profiles:
        near = get_close_matches(profile[:200], config.profiles, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise NotFound(f'there is no profile "{profile[:200]}"{hint}', param="name")
