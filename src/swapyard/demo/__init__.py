"""A scripted inference server and a configuration of several of them, so that everything can be tried without a GPU.

    config.yaml   the built-in configuration; `demo_config` completes it with the interpreter to run
    engine.py     `python -m swapyard.demo.engine`: options, load phase, signals, the end
    server.py     one client's connection: HTTP/1.1 in and out
    routes.py     what is answered on which path
    formats.py    the shapes of the answers: OpenAI, Anthropic, llama.cpp, streamed or whole
    forms.py      multipart forms, read
    generation.py how an answer comes about: prompt, pace, slots, timings
    words.py      tokens, answers, embeddings: text in, text or numbers out
    media.py      sounds and pictures out of text
    echo.py       a websocket that echoes

The engine stands on the standard library and httptools alone and imports nothing else of Swapyard: it is a program that
Swapyard starts, and it starts in well under 150 ms. This file imports nothing, for the same reason.
"""

from __future__ import annotations


def demo_config(executable: str, *, start_port: int = 5800) -> str:
    """The text of the demo's configuration (YAML), with engines run by the Python interpreter `executable`.

    The interpreter's path may hold blanks and quotes. The engines' ports count up from `start_port`.
    """
    import json
    from importlib.resources import files

    text = files(__name__).joinpath("config.yaml").read_text(encoding="utf-8")
    command = quoted(executable) + " -m swapyard.demo.engine --port ${PORT} --model ${MODEL_ID}"
    return text.replace("@ENGINE@", json.dumps(command)).replace("@START_PORT@", str(start_port))


def quoted(argument: str) -> str:
    """`argument` as one word of a `cmd` key, whose quoting rules differ between POSIX and Windows."""
    import os
    import shlex
    import subprocess

    return subprocess.list2cmdline([argument]) if os.name == "nt" else shlex.quote(argument)
