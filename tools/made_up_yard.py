"""A Swapyard at work, for pictures: well-known models (scripted), two GPUs (made up), requests done, under way and waiting.

The GPUs are an `nvidia-smi` of our own, put before everything else on the path, which finds the scripted engines among the
processes and tells what their models would hold. All else is what the real command makes of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tools.made_up_machine import GPU_MEMORY, GPUS, use

LISTENING = re.compile(r"listening on (https?://\S+)")
# What the models hold: GPU and MiB, by model.
HELD = {
    "gpt-oss-20b": {0: 13_400},
    "qwen3-coder-30b": {0: 18_900, 1: 2_100},
    "gemma-3-27b": {0: 17_800},
    "whisper-large-v3": {1: 3_100},
    "bge-m3": {1: 1_250},
    "bge-reranker-v2": {1: 1_400},
    "flux-schnell": {1: 12_700},
    "sdxl-turbo": {1: 2_600},
    "kokoro-82m": {1: 420},
}
# What they hold of the machine's memory besides, in MiB.
HELD_RAM = {
    "gpt-oss-20b": 1_180, "qwen3-coder-30b": 1_640, "gemma-3-27b": 1_420, "whisper-large-v3": 790, "bge-m3": 610,
    "bge-reranker-v2": 640, "flux-schnell": 2_350, "sdxl-turbo": 1_120, "kokoro-82m": 380,
}  # fmt: skip
ELSEWHERE = 640  # MiB of each GPU that are nobody's
# As llama.cpp says it of a file that is not there.
MISSING = "--fail \"gguf_init_from_file: failed to open GGUF file '/models/experiment.gguf' (No such file or directory)\""
TEXT = {"in": ["text"], "out": ["text"], "tools": True}

NVIDIA_SMI = """#!{python}
import sys; sys.path.insert(0, {root!r})
from tools.made_up_yard import nvidia_smi
nvidia_smi(sys.argv[1])
"""


def configuration() -> dict[str, Any]:
    def engine(model: str, *flags: str) -> str:
        return " ".join([sys.executable, "-m swapyard.demo.engine --model", model, *flags, "--port ${PORT}"])

    models = {
        "gpt-oss-20b": {
            "name": "GPT-OSS 20B",
            "description": "Quick answers for everybody.",
            "cmd": engine("gpt-oss-20b", "--tokens-per-second 110 --load-seconds 3.1"),
            "aliases": ["gpt-4o-mini", "default"],
            "capabilities": {**TEXT, "context": 131072},
            "ttl": 600,
        },
        "qwen3-coder-30b": {
            "name": "Qwen3 Coder 30B",
            "description": "Code, and long contexts.",
            "cmd": engine("qwen3-coder-30b", "--tokens-per-second 60 --load-seconds 5.4 --ctx-size 32768"),
            "aliases": ["coder"],
            "capabilities": {**TEXT, "context": 262144},
            "ttl": 900,
        },
        "gemma-3-27b": {
            "name": "Gemma 3 27B",
            "description": "Reads pictures.",
            "cmd": engine("gemma-3-27b", "--tokens-per-second 35 --load-seconds 4.6"),
            "capabilities": {"in": ["text", "image"], "out": ["text"], "context": 131072},
        },
        "whisper-large-v3": {
            "name": "Whisper large v3",
            "cmd": engine("whisper-large-v3", "--kind audio --load-seconds 1.9"),
            "aliases": ["whisper-1"],
            "capabilities": {"in": ["audio"], "out": ["text"]},
        },
        "bge-m3": {
            "name": "BGE M3",
            "cmd": engine("bge-m3", "--kind embedding --load-seconds 0.9"),
            "aliases": ["text-embedding-3-small"],
        },
        "bge-reranker-v2": {
            "name": "BGE Reranker v2",
            "cmd": engine("bge-reranker-v2", "--kind rerank --load-seconds 1.1"),
            "capabilities": {"reranker": True},
            "ttl": 1800,
        },
        "flux-schnell": {
            "name": "FLUX.1 schnell",
            "cmd": engine("flux-schnell", "--kind image --load-seconds 1800"),
            "capabilities": {"in": ["text"], "out": ["image"]},
        },
        "sdxl-turbo": {
            "name": "SDXL Turbo",
            "cmd": engine("sdxl-turbo", "--kind image --load-seconds 1.4"),
            "capabilities": {"in": ["text", "image"], "out": ["image"]},
        },
        "kokoro-82m": {
            "name": "Kokoro 82M",
            "cmd": engine("kokoro-82m", "--kind audio --load-seconds 0.6"),
            "aliases": ["tts-1"],
            "capabilities": {"in": ["text"], "out": ["audio"]},
        },
        "experiment": {
            "name": "Experiment",
            "description": "Its file is missing.",
            "cmd": engine("experiment", "--load-seconds 30 --exit-code 1 --exit-after 0.3", MISSING),
        },
    }
    return {
        "healthCheckTimeout": 3600,  # one that loads is seen loading in every picture
        "startPort": 21_000 + os.getpid() % 8000,
        "models": models,
        "groups": {
            "chat": {"members": ["gpt-oss-20b", "qwen3-coder-30b", "gemma-3-27b"]},
            "small": {
                "swap": False,
                "exclusive": False,
                "persistent": True,
                "members": [model for model in models if model not in ("gpt-oss-20b", "qwen3-coder-30b", "gemma-3-27b")],
            },
        },
        "selectors": {"whichever": {"strategy": "warm", "targets": ["gpt-oss-20b", "gemma-3-27b"]}},
        # The requests that wait do so as long as pictures are taken, and hold nobody back.
        "routing": {"scheduler": {"settings": {"fifo": {"maxWait": 0}}}},
        "profiles": {"night": {"description": "Big answers while nobody waits.", "pins": {"gpt-4o-mini": "gemma-3-27b"}}},
    }


def nvidia_smi(query: str) -> None:
    """Prints what the real one prints for the two queries that Swapyard knows."""
    running = list(_engines())
    if query.startswith("--query-compute-apps"):
        for pid, model in running:
            for gpu, held in HELD.get(model, {}).items():
                print(f"{pid}, GPU-{gpu}, {held}")
        return
    now = time.time()
    for gpu, (name, watts) in enumerate(GPUS):
        used = ELSEWHERE + sum(HELD.get(model, {}).get(gpu, 0) for _, model in running)
        busy = use(now, gpu + 1)
        temperature, fan, power = round(38 + 38 * busy), round(30 + 40 * busy), round(25 + watts * busy)
        figures = [temperature, "[N/A]", round(100 * busy), used, GPU_MEMORY, fan, power]
        print(gpu, name, f"GPU-{gpu}", *figures, f"00000000:0{gpu + 1}:00.0", sep=", ")


def _engines() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "swapyard.demo.engine" in words:
                yield int(folder.name), words[words.index("--model") + 1]


@contextlib.contextmanager
def running(configured: dict[str, Any]) -> Iterator[str]:
    """The address, while it runs."""
    with tempfile.TemporaryDirectory(prefix="swapyard-pictures-") as place:
        tool = Path(place) / "nvidia-smi"
        root = str(Path(__file__).parents[1])
        tool.write_text(NVIDIA_SMI.format(python=sys.executable, root=root))
        tool.chmod(0o755)
        config = Path(place) / "config.yaml"
        config.write_text(json.dumps(configured))
        command = [sys.executable, "-m", "swapyard", "--config", str(config), "--listen", "127.0.0.1:0"]
        environment = {**os.environ, "PATH": f"{place}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert process.stdout is not None
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if found := LISTENING.search(line):
                    break
            else:
                raise SystemExit("".join(said))
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield found[1].rstrip("/")
        finally:
            process.terminate()
            process.wait(30)


class Traffic:
    """What clients do. `begin` makes the history, and leaves requests under way; `end` gives those up."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=3600)
        self._ending = threading.Event()

    def begin(self) -> None:
        for model in ("whisper-large-v3", "bge-m3", "bge-reranker-v2"):
            self._client.post(f"/api/models/load/{model}")
        for model in ("gpt-oss-20b", "gemma-3-27b", "gpt-oss-20b", "qwen3-coder-30b"):
            for question in ("Who are you?", "Tell me about hares.", "count to 60"):
                self._chat(model, question)
        self._chat("experiment", "Are you there?")
        self._chat("gpt-5", "Do I know you?")
        for text in ("a hare", "a tortoise and a hare", "a race"):
            self._client.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": text})
        sound = {"file": ("race.wav", b"RIFF", "audio/wav")}
        self._client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files=sound)
        rerank = {"model": "bge-reranker-v2", "query": "who is fast", "documents": ["hare", "tortoise"]}
        self._client.post("/v1/rerank", json=rerank)
        for _ in range(2):
            self._later(lambda: self._stream("qwen3-coder-30b", "count to 100000"))
        self._later(lambda: self._client.post("/v1/images/generations", json={"model": "flux-schnell", "prompt": "a yard"}))
        time.sleep(2)  # so that there is something to see of their streams
        self._later(lambda: self._chat("gpt-oss-20b", "I wait until the other one is done."))
        time.sleep(0.3)  # the first to come is the first in line
        self._later(lambda: self._chat("gemma-3-27b", "So do I."))

    def end(self) -> None:
        self._ending.set()
        self._client.close()

    def _chat(self, model: str, question: str) -> None:
        self._client.post("/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": question}]})

    def _stream(self, model: str, question: str) -> None:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": question}]}
        with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
            for _ in response.iter_lines():
                if self._ending.is_set():
                    return

    def _later(self, what: Callable[[], object]) -> None:
        def work() -> None:
            with contextlib.suppress(httpx.HTTPError, RuntimeError):  # given up at the end
                what()

        threading.Thread(target=work, daemon=True).start()
