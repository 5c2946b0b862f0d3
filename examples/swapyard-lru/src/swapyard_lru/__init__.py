"""At most N models at a time; when one more is wanted, the least recently used one makes room.

    routing:
      router:
        use: lru
        settings:
          lru:
            models: 2          # how many may be there at a time
            keep: [embed]      # optional: these are never evicted, and count as well

Pure, as every planner has to be: it remembers nothing, knows no time, and is told in which order the models were used.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any

import msgspec

from swapyard.core.strategies import SettingsError


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: Annotated[int, msgspec.Meta(ge=1)]
    keep: tuple[str, ...] = ()


def planner(settings: Any, models: Collection[str]) -> LruPlanner:
    """The entry point. `settings` is what the file says below `lru`, None where it says nothing."""
    checked = msgspec.convert({} if settings is None else settings, Settings)  # its errors name the key
    for index, model in enumerate(checked.keep):
        if model not in models:
            raise SettingsError(f'unknown model "{model}"', "keep", index)
    if len(checked.keep) >= checked.models:
        raise SettingsError(f"must name fewer than {checked.models} models, or no other one could ever start", "keep")
    return LruPlanner(checked.models, frozenset(checked.keep))


class LruPlanner:
    """`at_most`: how many models may be there at a time. `kept`: models that stay, once they are there."""

    by_last_use = True  # `running` comes with what is unused for longest first

    def __init__(self, at_most: int, kept: frozenset[str] = frozenset()) -> None:
        self._at_most = at_most
        self._kept = kept

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        """The fewest that make room. Nobody for a model that is there already, even where the limit was lowered since."""
        if model in running:
            return ()
        too_many = len(running) + 1 - self._at_most
        return [name for name in running if name not in self._kept][: max(too_many, 0)]

    def kin(self, model: str) -> str:
        """All models are alike but for being kept, which keeps thousands of waiting requests cheap."""
        return "kept" if model in self._kept else "others"
