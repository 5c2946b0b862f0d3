"""An entry that is copied into a file is read back as it was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swapyard.config.entry import LLAMA_SERVER, model_entry
from swapyard.config.load import loads

WINDOWS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='"'), min_size=1)
PARTS = ["'", '"', "#", "\n", "\\", "${PORT}", "${env.HOME}", "$", "{", " ", "é🦔", "\ufeff", "\x85", "\t", ": ", "- "]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
POSIX = st.lists(st.sampled_from(PARTS) | TEXT, min_size=1)


@settings(max_examples=300)
@given(path=POSIX.map("".join))
@example(path="a\\\n# b")
@example(path="\n#")
@example(path="a\\ \n${x}'${y}")
def test_any_path_comes_back_on_posix(path: str) -> None:
    assert arguments_of(model_entry("m", LLAMA_SERVER, ["-m", path], "linux"), "linux") == ["-m", path]


@settings(max_examples=200)
@given(path=WINDOWS)
@example(path="C:\\my models\\${x}\\")
def test_any_path_of_a_file_comes_back_on_windows(path: str) -> None:
    path += ".gguf"
    assert arguments_of(model_entry("m", LLAMA_SERVER, ["-m", path], "win32"), "win32") == ["-m", path]


def arguments_of(text: str, platform: str) -> list[str]:
    program, port_flag, port, *rest = loads(text, platform=platform).config.models["m"].argv
    assert (program, port_flag, port) == ("llama-server", "--port", "5800")
    return rest


@pytest.mark.parametrize("name", ["yes", "1e3", "0x1F", "~", "null", "1.10", "2024-01-01", "-", "a b", "é", "a: b", "#a"])
def test_any_name_stays_a_text(load: Any, name: str) -> None:
    assert [*load.resolved(model_entry(name, LLAMA_SERVER, [], "linux")).models] == [name]


def test_a_plain_one_needs_no_quotes() -> None:
    entry = model_entry("qwen", LLAMA_SERVER, ["-m", "/models/qwen.gguf"], "linux")
    assert entry == "models:\n  qwen:\n    cmd: llama-server --port ${PORT} -m /models/qwen.gguf\n"
