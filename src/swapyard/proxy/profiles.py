"""Profiles: switchable sets of pins, each of which puts another name in the place of one.

`Pins` is the active profile, ready to use. A pin is looked at before everything else that a name may mean, so it may stand
in front of a model or an alias; what it leads to is not looked up among the pins again. A pin without a target switches
its name off. Which profile is active, and since when, is the business of `proxy.state`.
"""

from __future__ import annotations

from urllib.parse import quote

from swapyard.config.schema import Profile
from swapyard.errors import ModelNotFound, NotFound
from swapyard.proxy.resolve import longest_name, most_segments


class Pins:
    """The pins of one profile."""

    def __init__(self, profile_id: str, profile: Profile) -> None:
        self.profile_id = profile_id
        self._targets = profile.pins
        self._most_segments = most_segments(profile.pins)

    def target(self, name: str) -> str:
        """What stands for a name: its pin's target, or the name itself. Raises NotFound where the profile disables it."""
        target = self._targets.get(name, name)
        if not target:
            raise NotFound(
                f'model "{name}" is disabled by profile "{self.profile_id}", which is active: its pin has no target',
                code=ModelNotFound.code,
                param="model",
            )
        return target

    def rewrite_path(self, raw: bytes) -> bytes:
        """A raw path below `/upstream/`, with the longest pin that begins it replaced; the rest keeps its bytes. Raises
        NotFound like `target`."""
        found = longest_name(raw, self._targets, self._most_segments)
        if found is None:
            return raw
        return quote(self.target(found.name), safe="/").encode() + raw[found.end :]
