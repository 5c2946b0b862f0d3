"""Who may be called what: model ids, aliases, peers' models, and which name means which.

`collect` reports clashes while it gathers the names; `Names.resolve` then answers what a target, pin or member means. The
same order of precedence holds for requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from swapyard.config.problems import Path, Problems
from swapyard.config.schema import Model, Peer


@dataclass(frozen=True, slots=True)
class Local:
    model: str


@dataclass(frozen=True, slots=True)
class Remote:
    peer: str
    model: str


@dataclass(slots=True)
class Names:
    """`aliases`: alias -> model id. `full`: "<peer>/<model>" -> that model. `bare`: a peer's model name -> who offer it."""

    models: dict[str, Model]
    aliases: dict[str, str] = field(default_factory=dict)
    full: dict[str, Remote] = field(default_factory=dict)
    bare: dict[str, list[Remote]] = field(default_factory=dict)

    def local(self, name: str) -> str | None:
        """The id of the local model that `name` means."""
        return name if name in self.models else self.aliases.get(name)

    def resolve(self, name: str) -> Local | Remote | None:
        model = self.local(name)
        if model is not None:
            return Local(model)
        if name in self.full:
            return self.full[name]
        offers = self.bare.get(name, [])
        return offers[0] if len(offers) == 1 else None


def collect(models: dict[str, Model], peers: dict[str, Peer], problems: Problems) -> Names:
    """All names. `models` get the aliases that `setParamsByID` makes."""
    names = Names(models)
    add_peers(names, peers, problems)
    add_aliases(names, problems)
    add_parameter_aliases(names, problems)
    check_peer_names(names, problems)
    return names


def add_aliases(names: Names, problems: Problems) -> None:
    for name, model in names.models.items():
        for index, alias in enumerate(model.aliases):
            path: Path = ("models", name, "aliases", index)
            owner = names.aliases.setdefault(alias, name)
            if owner != name:
                problems.error(path, f'"{alias}" is already an alias of model "{owner}"')
            elif alias in model.aliases[:index]:
                problems.error(path, f'"{alias}" appears twice')
            elif alias in names.models:
                whose = "its own id" if alias == name else "the id of another model, which keeps it"
                problems.warn(path, f'"{alias}" is {whose}; the alias has no effect')
            elif not alias:
                problems.warn(path, "an empty alias cannot be asked for")


def add_parameter_aliases(names: Names, problems: Problems) -> None:
    for name, model in names.models.items():
        added = []
        for key in model.filters.set_params_by_id:
            path: Path = ("models", name, "filters", "setParamsByID", key)
            if key == name or key in model.aliases:
                continue
            owner = names.aliases.get(key)
            if key in names.models:
                problems.error(path, f'"{key}" is another model\'s id')
            elif owner is not None:
                problems.error(path, f'"{key}" is already an alias of model "{owner}"')
            else:
                names.aliases[key] = name
                added.append(key)
        if added:
            names.models[name] = msgspec.structs.replace(model, aliases=(*model.aliases, *added))


def add_peers(names: Names, peers: dict[str, Peer], problems: Problems) -> None:
    for peer_id, peer in peers.items():
        for model in peer.models:
            offer = Remote(peer_id, model)
            names.bare.setdefault(model, []).append(offer)
            full = f"{peer_id}/{model}"
            other = names.full.setdefault(full, offer)
            if other != offer:
                first, second = f"peers.{other.peer}", f"peers.{peer_id}"
                problems.error(("peers", peer_id), f'"{full}" names a model of {first} and one of {second}; rename one peer')


def check_peer_names(names: Names, problems: Problems) -> None:
    for full, remote in names.full.items():
        if full in names.models:
            problems.error(("models", full), f"the id is also the full name of a model of peers.{remote.peer}")
        if full in names.aliases:
            owner = names.aliases[full]
            problems.error(("models", owner, "aliases"), f'"{full}" is also the full name of a model of peers.{remote.peer}')
    for bare, offers in names.bare.items():
        local = names.local(bare)
        if local is not None:
            problems.warn(
                ("peers", offers[0].peer, "models"),
                f'"{bare}" alone means the local model "{local}"; ask for "{offers[0].peer}/{bare}"',
            )
        elif len(offers) > 1:
            who = ", ".join(offer.peer for offer in offers)
            problems.warn(
                ("peers", offers[0].peer, "models"), f'"{bare}" alone is unusable: {who} offer it; use the full name'
            )
