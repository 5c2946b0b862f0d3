"""Secrets out of what people are shown: the resolved configuration, command lines and environments in logs.

A name tells a secret: `HF_TOKEN=...`, `--api-key ...`, `Authorization: Bearer ...`, `http://user:password@host`. Names such
as `--max-tokens` or `--api-key-file` do not. What hides elsewhere cannot be known.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from swapyard.config.schema import Config, Filters, Model, Peer

MASK = "***"
SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|(?:KEY|TOKEN)(?:[_-]?\d+)?$", re.IGNORECASE)
VALUE = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"']+)"""
OPTION = re.compile(rf"((?<!\S)--?[\w-]*(?:key|token|secret|password|passwd)(?:=|\s+)){VALUE}", re.IGNORECASE)
SETTING = re.compile(rf"((?<![\w-])\w*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)=){VALUE}", re.IGNORECASE)
AUTHORIZATION = re.compile(r"""(\b(?:Bearer|Basic)\s+)[^\s"']+""", re.IGNORECASE)
USERINFO = re.compile(r"(\w://[^\s/@:\"']*:)[^\s/@\"']+@")


def looks_secret(name: str) -> bool:
    """Whether a variable, option or key of this name holds a secret."""
    return SECRET_NAME.search(name) is not None


def masked_command(text: str) -> str:
    """A command line without the values of secret options and variables."""
    for pattern in (OPTION, SETTING, AUTHORIZATION):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return masked_url(text)


def masked_url(text: str) -> str:
    """URLs in the text without their passwords."""
    return USERINFO.sub(rf"\g<1>{MASK}@", text)


def masked_setting(setting: str) -> str:
    """`NAME=value` without the value where the name tells a secret."""
    name, equals, value = setting.partition("=")
    return f"{name}={MASK}" if equals and looks_secret(name) else f"{name}{equals}{masked_url(value)}"


def masked_data(value: Any) -> Any:
    """Free data (mappings, lists, scalars) without the values of secret keys."""
    match value:
        case dict():
            return {
                name: MASK if looks_secret(str(name)) and not isinstance(entry, dict | list) else masked_data(entry)
                for name, entry in value.items()
            }
        case list():
            return [masked_data(entry) for entry in value]
        case str():
            return masked_url(value)
    return value


def masked(config: Config) -> Config:
    """The configuration as it may be shown."""
    return replace(
        config,
        api_keys=(MASK,) * len(config.api_keys),
        models={name: masked_model(model) for name, model in config.models.items()},
        peers={name: masked_peer(peer) for name, peer in config.peers.items()},
        selectors={
            name: replace(selector, metadata=masked_data(selector.metadata)) for name, selector in config.selectors.items()
        },
        routing=replace(
            config.routing,
            router_settings=masked_data(config.routing.router_settings),
            scheduler_settings=masked_data(config.routing.scheduler_settings),
        ),
    )


def masked_model(model: Model) -> Model:
    """`argv` is emptied: a secret may be an argument of its own there."""
    return replace(
        model,
        cmd=masked_command(model.cmd),
        argv=(),
        cmd_stop=masked_command(model.cmd_stop),
        proxy=masked_url(model.proxy),
        env=tuple(masked_setting(setting) for setting in model.env),
        filters=masked_filters(model.filters),
        metadata=masked_data(model.metadata),
    )


def masked_peer(peer: Peer) -> Peer:
    return replace(
        peer,
        api_key=MASK if peer.api_key else "",
        proxy=masked_url(peer.proxy),
        filters=masked_filters(peer.filters),
    )


def masked_filters(filters: Filters) -> Filters:
    return replace(
        filters, set_params=masked_data(filters.set_params), set_params_by_id=masked_data(filters.set_params_by_id)
    )
