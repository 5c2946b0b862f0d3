"""Nothing that looks like a secret is shown."""

from __future__ import annotations

from typing import Any

import pytest

from swapyard.config.mask import looks_secret, masked, masked_command, masked_setting, masked_url
from swapyard.config.render import to_yaml


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "OPENAI_API_KEY", "api-key", "password", "DB_PASSWORD", "AWS_SECRET_ID", "KEY_2", "apiKey"]
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["PATH", "max_tokens", "TOKENIZERS_PARALLELISM", "KEYBOARD", "n_keys"])
def test_names_of_other_things(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("svr --api-key sk-1 --max-tokens 5", "svr --api-key *** --max-tokens 5"),
        ("svr --api-key=sk-1 -x", "svr --api-key=*** -x"),
        ("svr --api-key 'sk 1' -x", "svr --api-key *** -x"),
        ('svr --api-key "s\\"k 1" -x', "svr --api-key *** -x"),
        ("svr --hf-token\n  abc", "svr --hf-token\n  ***"),
        ("svr --api-key-file /etc/key", "svr --api-key-file /etc/key"),
        ("svr --tokens-per-second 80", "svr --tokens-per-second 80"),
        ("docker run -e HF_TOKEN=abc --env 'A_SECRET=x y' img", "docker run -e HF_TOKEN=*** --env 'A_SECRET=*** y' img"),
        ("curl -H 'Authorization: Bearer abc'", "curl -H 'Authorization: Bearer ***'"),
        ("svr http://me:pw@host/x", "svr http://me:***@host/x"),
        ("svr --port 5800 -m /m.gguf", "svr --port 5800 -m /m.gguf"),
    ],
)
def test_commands(command: str, shown: str) -> None:
    assert masked_command(command) == shown


@pytest.mark.parametrize(
    ("setting", "shown"),
    [("HF_TOKEN=a=b", "HF_TOKEN=***"), ("A=1", "A=1"), ("X", "X"), ("U=http://a:b@h", "U=http://a:***@h")],
)
def test_settings(setting: str, shown: str) -> None:
    assert masked_setting(setting) == shown


@pytest.mark.parametrize("url", ["http://host:80/a@b", "http://user@host", "not a url"])
def test_urls_without_a_password(url: str) -> None:
    assert masked_url(url) == url


def test_no_secret_of_a_configuration_is_shown(load: Any) -> None:
    config = load.resolved(
        """
        apiKeys: [hush-1]
        models:
          m:
            cmd: svr --port ${PORT} --api-key hush-2
            cmdStop: stop --token hush-3
            proxy: http://u:hush-4@localhost:${PORT}
            env: [MY_KEY=hush-5]
            metadata: {api_key: hush-6, deep: [{password: hush-7}]}
            filters: {setParams: {secret: hush-8}, setParamsByID: {x: {token: hush-9}}}
        peers: {p: {proxy: "http://u:hush-10@h", models: [a], apiKey: hush-11, filters: {setParams: {key: hush-12}}}}
        selectors: {s: {strategy: pin, targets: [m], metadata: {token: hush-13}}}
        """
    )
    assert "hush" in to_yaml(config)
    assert "hush" not in to_yaml(masked(config))
    assert "hush" not in repr(masked(config))
