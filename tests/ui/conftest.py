"""The page in a browser: Chromium, driven by playwright, in front of the real command with its scripted models.

`demo` is the address of one that all tests share; `start_demo()` gives a test its own. `desktop` and `phone` are pages of
the two sizes, `window` is a page in each of them. A test fails when the page says anything on the console as an error.
Where Chromium is missing these tests are skipped, with the reason; `make test` installs it where it may.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.ports import start_port
from tests.ui.front import Front

from swapyard.demo import demo_config

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LISTENING = re.compile(r"listening on (https?://\S+)")
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
STOP_TIMEOUT = 30.0  # seconds
PATIENCE = 20_000  # milliseconds; what comes true earlier costs no more, and a busy machine is no failure
# What a browser says of answers that the page asks for knowing that they may be errors.
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of (401|404|409|429|5\d\d)")
LOST = re.compile(r"Failed to load resource: net::ERR_")

StartDemo = Callable[..., AbstractContextManager[str]]
looking: list[Page] = []  # pages that are open and should hear of no lost connection


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test may take does not count the building of the page, which falls to whichever test is the first."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(120, func_only=True))


@dataclass(frozen=True, slots=True)
class Served:
    """`address` has no slash at its end."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@contextmanager
def serve(*arguments: str, environment: Mapping[str, str] = {}) -> Iterator[str]:
    """`python -m swapyard ...` on a free port; gives its address, without a slash at the end."""
    with served(*arguments, environment=environment) as running:
        yield running.address


@contextmanager
def served(*arguments: str, environment: Mapping[str, str] = {}, port: int = 0) -> Iterator[Served]:
    """Like `serve`, for tests that do something to the process itself. `port` 0: a free one. It is stopped behind the block,
    if it has not been before."""
    command = [sys.executable, "-m", "swapyard", *arguments, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := LISTENING.search(line):
                break
        else:
            pytest.fail(f"it ended at once:\n{''.join(said)}")
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        address = found[1].rstrip("/")
        yield Served(address, process)
        for page in looking:  # one that is still there when its server ends would complain
            if page.url.startswith(f"{address}/"):
                page.goto("about:blank")
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The page is built from the sources as they are now."""
    place = tmp_path_factory.getbasetemp()
    together = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    with (together / "building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the processes that test side by side one builds, the others find it done
        done = subprocess.run([sys.executable, "hatch_build.py"], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"the page cannot be built: {done.stderr}")


@pytest.fixture(scope="session")
def start_demo(built: None, tmp_path_factory: pytest.TempPathFactory) -> StartDemo:
    """`start_demo()`: the demo of its own, for tests that change what others would see. `start_demo(config=path)`: another
    configuration. `environment`: variables beside the present ones. `flags`: of the command, beside those."""

    def start(
        config: Path | None = None, environment: Mapping[str, str] = {}, flags: Sequence[str] = ()
    ) -> AbstractContextManager[str]:
        if config is None:  # not `swapyard demo`: its ports are not those that tests are given
            config = tmp_path_factory.mktemp("demo") / "demo.yaml"
            config.write_text(demo_config(sys.executable, start_port=start_port()), encoding="utf-8")
        return serve("--config", str(config), *flags, environment=environment)

    return start


@pytest.fixture(scope="session")
def demo(start_demo: StartDemo) -> Iterator[str]:
    with start_demo() as address:
        yield address


@pytest.fixture(scope="session")
def axe(built: None) -> str:
    """The script that finds what hinders people."""
    path = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        subprocess.run([sys.executable, "hatch_build.py", "--version"], cwd=ROOT, check=True, capture_output=True)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    if CHROMIUM is None:
        pytest.skip("no Chromium here; Debian: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS]) as started:
        yield started


@contextmanager
def page_of(browser: Browser, size: str, *, lost: bool = False, **options: Any) -> Iterator[Page]:
    """Fails when the page has said something as an error, or has thrown something, by the end of the block. `lost`: the
    connection is cut in between, which browsers tell of."""
    viewport: Any = SIZES[size]
    with browser.new_context(viewport=viewport, has_touch=size == "phone", is_mobile=size == "phone", **options) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        if not lost:
            looking.append(page)
        try:
            yield page
        finally:
            if not lost:
                looking.remove(page)
        page.unroute_all(behavior="ignoreErrors")  # what a test answers itself may be asked for just now
        expected = (EXPECTED, LOST) if lost else (EXPECTED,)
        unexpected = [error for error in errors if not any(known.match(error) for known in expected)]
        assert not unexpected, f"the page complained: {unexpected}"


@pytest.fixture
def desktop(browser: Browser) -> Iterator[Page]:
    with page_of(browser, "desktop") as page:
        yield page


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    with page_of(browser, "phone") as page:
        yield page


@pytest.fixture(params=[*SIZES])
def window(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    with page_of(browser, request.param) as page:
        yield page


@pytest.fixture(scope="session")
def front() -> Callable[..., AbstractContextManager[Front]]:
    """`with front(address, "/prefix") as proxy:` a reverse proxy in front of a Swapyard; it can `stop` and `start` again."""

    @contextmanager
    def open_front(behind: str, prefix: str = "") -> Iterator[Front]:
        proxy = Front(behind, prefix)
        try:
            yield proxy
        finally:
            proxy.stop()

    return open_front


@pytest.fixture(scope="session")
def engine() -> Callable[..., str]:
    """The `cmd` of the scripted engine: `engine("name", "--load-seconds", "3")`."""

    def command(model: str, *flags: str) -> str:
        program = [sys.executable, "-m", "swapyard.demo.engine", "--model", model, *flags]
        return shlex.join(program) + " --port ${PORT}"

    return command


@pytest.fixture(scope="module")
def yard(start_demo: StartDemo, engine: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Swapyard of the module's own: two models that swap, one that loads slowly, one that fails, three that are
    unlisted (one keeps a key, one passes for ComfyUI, one is never loaded), a selector, a profile and a peer."""
    chat = {"in": ["text", "image"], "out": ["text"], "tools": True, "context": 32768}
    config = {
        "startPort": start_port(),
        "models": {
            "hare": {
                "name": "Hare",
                "description": "Quick.",
                "cmd": engine("hare"),
                "aliases": ["fast"],
                "capabilities": chat,
                "metadata": {"family": "Lagomorph", "tags": ["nimble"]},
            },
            "tortoise": {"name": "Tortoise", "cmd": engine("tortoise", "--load-seconds", "2"), "ttl": 600},
            "snail": {"name": "Snail", "cmd": engine("snail", "--load-seconds", "60")},
            "broken": {
                "name": "Broken",
                "cmd": engine("broken", "--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1"),
            },
            "org/model.v2:q4": {"cmd": engine("dots")},
            "secret": {"cmd": engine("secret", "--api-key", "hunter2"), "unlisted": True, "ttl": 90},
            "comfyui_auto": {"cmd": engine("comfy"), "unlisted": True},
            "mole": {"cmd": engine("mole"), "unlisted": True},
        },
        "groups": {
            "chat": {"members": ["hare", "tortoise"]},
            "apart": {"swap": False, "exclusive": False, "members": ["snail"]},
        },
        "selectors": {"whichever": {"strategy": "warm", "targets": ["hare", "tortoise"]}},
        "profiles": {"quiet": {"description": "No code.", "pins": {"gpt-4o": "hare"}}},
        "peers": {"attic": {"proxy": "http://127.0.0.1:9", "models": ["llama"]}},
    }
    path = tmp_path_factory.mktemp("yard") / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    with start_demo(config=path) as address:
        yield address


@pytest.fixture
def stopped(yard: str) -> Iterator[str]:
    """`yard` with nothing loaded, before and after."""
    httpx.post(f"{yard}/api/models/unload", timeout=30)
    yield yard
    httpx.post(f"{yard}/api/models/unload", timeout=30)
