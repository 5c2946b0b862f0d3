"""GET /api/models/found: the files that could become models."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api import found as module
from swapyard.api.services import Facts
from swapyard.config.schema import Config, Model, Selector
from swapyard.observe.model_files import Findings

if TYPE_CHECKING:
    from tests.api.conftest import Yard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.gguf", "b c.gguf", "see/llava.gguf", "see/mmproj-llava.gguf", "big-00001-of-00002.gguf", "x/a.gguf"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path


def by_path(answer: Any, folder: Path) -> dict[str, Any]:
    return {str(Path(file["path"]).relative_to(folder)): file for file in answer["files"]}


async def test_without_the_key_it_is_told_how_to_enable_it(yard: Yard) -> None:
    assert (await yard.get("/api/models/found")).json == {
        "enabled": False,
        "message": module.HOW,
        "folders": [],
        "files": [],
    }


async def test_each_file_comes_with_what_to_write_into_the_configuration(yard: Yard, folder: Path) -> None:
    yard.config = Config(models_dir=(str(folder), "/nowhere/at/all"))
    told = (await yard.get("/api/models/found")).json
    assert (told["enabled"], told["message"]) == (True, "")
    assert told["folders"] == [{"path": str(folder)}, {"path": "/nowhere/at/all", "problem": "it does not exist"}]
    files = by_path(told, folder)
    assert files["a.gguf"] == {
        "name": "a",
        "path": f"{folder}/a.gguf",
        "folder": str(folder),
        "size": 5,
        "yaml": f"a: -m {folder}/a.gguf",
    }
    assert files["b c.gguf"]["name"] == "b-c"
    assert files["x/a.gguf"]["name"] == "x/a"  # the first one has the short name
    assert files["see/llava.gguf"]["yaml"].endswith(f"--mmproj {folder}/see/mmproj-llava.gguf")
    assert files["see/mmproj-llava.gguf"]["kind"] == "projector"
    assert "yaml" not in files["see/mmproj-llava.gguf"]
    split = files["big-00001-of-00002.gguf"]
    assert (split["parts"], split["problem"], split.get("yaml")) == (2, "1 of its 2 parts are here", None)


async def test_a_file_tells_which_model_uses_it(yard: Yard, folder: Path) -> None:
    (folder / "link.gguf").symlink_to(folder / "see" / "llava.gguf")
    models = {
        "linked": Model(argv=("llama-server", "-m", f"{folder}/link.gguf")),
        "glued": Model(argv=("llama-server", f"--model={folder}/a.gguf")),
        "shell": Model(argv=("sh", "-c", f"exec llama-server -m '{folder}/big-00001-of-00002.gguf'")),
        "env": Model(argv=("llama-server",), env=(f"LLAMA_ARG_MODEL={folder}/b c.gguf",)),
        "box": Model(argv=("docker", "run", "-v", f"{folder}:/models", "llama", "-m", "/models/x/a.gguf")),
        "other": Model(argv=("llama-server", "-m", "/nowhere/see/mmproj-other.gguf")),
    }
    yard.config = Config(models=models, models_dir=(str(folder),))
    files = by_path((await yard.get("/api/models/found")).json, folder)
    assert {path: file.get("used_by", "") for path, file in files.items()} == {
        "a.gguf": "glued",
        "b c.gguf": "env",
        "big-00001-of-00002.gguf": "shell",
        "link.gguf": "linked",  # and see/llava.gguf is the same file
        "see/mmproj-llava.gguf": "",
        "x/a.gguf": "box",
    }
    assert not any(file.get("yaml") for file in files.values())


async def test_a_name_that_is_taken_is_not_proposed(yard: Yard, folder: Path) -> None:
    yard.config = Config(
        models={"other": Model(aliases=("a",)), "x/a": Model()},
        selectors={"b-c": Selector(strategy="pin", targets=("other",))},
        models_dir=(str(folder),),
    )
    files = by_path((await yard.get("/api/models/found")).json, folder)
    assert [files["a.gguf"]["name"], files["x/a.gguf"]["name"]] == [f"{folder.name}/a", "a-2"]
    assert files["b c.gguf"]["name"] == f"{folder.name}/b-c"


async def test_the_folders_are_read_once_for_all_who_ask_meanwhile(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.config = Config(models_dir=("/far/away",))
    asked = asyncio.Event()
    go_on = threading.Event()
    looks: list[Any] = []
    loop = asyncio.get_running_loop()

    def slow(folders: Any) -> Findings:
        looks.append(folders)
        loop.call_soon_threadsafe(asked.set)
        assert go_on.wait(20)
        return Findings((), (), "only the first 1,000 files are listed")

    monkeypatch.setattr(module, "look", slow)
    first = asyncio.create_task(yard.get("/api/models/found"))
    await asyncio.wait_for(asked.wait(), 20)
    second = asyncio.create_task(yard.get("/api/models/found"))
    assert (await yard.get("/api/models")).status == 200  # nobody else waits
    go_on.set()
    answers = [(await first).json, (await second).json]
    assert [answer["message"] for answer in answers] == ["only the first 1,000 files are listed"] * 2
    assert looks == [("/far/away",)]
    await yard.get("/api/models/found")
    assert len(looks) == 2  # asked for anew, looked anew


async def test_a_disk_that_does_not_answer_holds_up_neither_the_page_nor_the_end(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.config = Config(models_dir=("/far/away",))
    go_on = threading.Event()
    looks: list[threading.Thread] = []

    def hung(_folders: Any) -> Findings:
        looks.append(threading.current_thread())
        assert go_on.wait(20)
        return Findings((), ())

    monkeypatch.setattr(module, "look", hung)
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    for _ in range(2):
        assert (await yard.get("/api/models/found")).json == {
            "enabled": True,
            "message": "a disk has not answered for 0.05 seconds",
            "folders": [{"path": "/far/away"}],
            "files": [],
        }
    assert [thread.daemon for thread in looks] == [True]  # one for both, and nobody waits for it at the end
    monkeypatch.setattr(module, "PATIENCE", 20)
    go_on.set()
    assert (await yard.get("/api/models/found")).json["message"] == ""


async def test_a_model_of_that_name_keeps_its_details(yard: Yard) -> None:
    yard.config = Config(models={"other": Model(aliases=("found",))}, models_dir=("/far/away",))
    yard.facts["other"] = Facts(state="stopped", serving=0, limit=10, queued=0, stops=(), busy=(), run=None)
    assert (await yard.get("/api/models/found")).json["id"] == "other"
