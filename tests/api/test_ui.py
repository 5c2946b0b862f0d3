"""The page's files: where they are found, how they are packed and kept, and what browsers are told about them."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api import snapshot, ui
from swapyard.api.services import Facts
from swapyard.config.schema import Config, Model

if TYPE_CHECKING:
    from tests.api.conftest import Yard

HTML = '<!doctype html><link href="./favicon.svg"><script src="./assets/app-DlEGyTa-.js"></script><body></body>'
SNAPSHOT = re.compile(r'<script type="application/json" id="snapshot">(.*?)</script>')
SCRIPT = b"export {};\n" * 100


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Comes before `yard`, whose routes read the files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(HTML)
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / ".built-from").write_text("0")
    (tmp_path / "assets" / "app-DlEGyTa-.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "app-DlEGyTa-.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "assets" / "app-DlEGyTa-.js.br").write_bytes(b"brotli")
    monkeypatch.setattr(ui, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def page(built: Path, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("yard")


async def test_the_page_may_load_its_own_files_and_nothing_else(page: Yard) -> None:
    answer = await page.get("/ui/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "up"), [("", "./"), ("models", "./"), ("a/b", "../"), ("a/b/c/", "../../../"), ("index.html", "./")]
)
async def test_every_path_without_a_file_shows_the_page_which_finds_its_files_from_there(
    page: Yard, path: str, up: str
) -> None:
    answer = await page.get(f"/ui/{path}")
    shown = SNAPSHOT.sub("", answer.text)
    assert (answer.status, shown) == (200, HTML.replace('="./', f'="{up}'))


async def test_the_start_page_carries_what_it_shows_and_nobody_keeps_it(page: Yard) -> None:
    nasty = "</script><!--<script>"
    page.config = Config(models={"m": Model(description=nasty, cmd="serve")})
    page.states = {"m": "ready"}
    page.facts["m"] = Facts(state="ready", serving=1, limit=4, queued=0, stops=(), busy=(), run=None)
    answer = await page.get("/ui/")
    assert (answer.headers["cache-control"], answer.headers.get("etag")) == ("no-store", None)
    found = SNAPSHOT.search(answer.text)
    assert found
    assert "<" not in found[1]
    told = json.loads(found[1])
    events = {event["type"]: event["data"] for event in told["events"]}
    assert events["modelStatus"][0]["description"] == nasty
    assert events["inflight"] == {"operation": "snapshot"}
    assert told["details"]["models"][0]["running"] == 1
    assert (told["transitions"]["transitions"], told["performance"]) == ([], None)
    packed = await page.get("/ui/", **{"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == answer.body
    assert "snapshot" not in (await page.get("/ui/models")).text


async def test_where_keys_are_wanted_or_there_is_too_much_the_page_carries_nothing(
    page: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.config = Config(api_keys=("secret",))
    answer = await page.get("/ui/")
    assert (answer.text, answer.headers["cache-control"]) == (HTML, "no-cache")
    page.config = Config()
    assert SNAPSHOT.search((await page.get("/ui/")).text)
    monkeypatch.setattr(snapshot, "LARGEST", 10)
    assert (await page.get("/ui/")).text == HTML


@pytest.mark.parametrize("path", ["app.js", "../app.py", "%2e%2e/app.py", "assets/app.css", ".built-from", "a/b.c"])
async def test_a_missing_file_is_404(page: Yard, path: str) -> None:
    assert (await page.get(f"/ui/{path}")).status == 404


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("", None),
        ("identity", None),
        ("br;q=x", None),
    ],
)
async def test_a_file_is_sent_in_the_best_packing_that_the_browser_takes(
    page: Yard, accepted: str, coding: str | None
) -> None:
    answer = await page.get("/ui/assets/app-DlEGyTa-.js", **{"accept-encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    plain = {"br": lambda body: SCRIPT if body == b"brotli" else b"", "gzip": gzip.decompress, None: bytes}[coding]
    assert plain(answer.body) == SCRIPT


async def test_what_has_a_digest_in_its_name_is_kept_for_ever_and_all_else_is_asked_for_again(page: Yard) -> None:
    assert "immutable" in (await page.get("/ui/assets/app-DlEGyTa-.js")).headers["cache-control"]
    for path in ("/ui/models", "/ui/favicon.svg", "/favicon.ico"):
        first = await page.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = await page.get(path, **{"if-none-match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status, again.body) == (304, b"")
        assert (await page.get(path, **{"if-none-match": '"other"'})).status == 200


async def test_an_icon_at_the_root(page: Yard) -> None:
    answer = await page.get("/favicon.ico")
    assert (answer.text, answer.headers["content-type"]) == ("<svg/>", "image/svg+xml")


async def test_without_its_files_the_page_says_how_to_get_them(built: Path, request: pytest.FixtureRequest) -> None:
    for path in built.rglob("*"):
        if path.is_file():
            path.unlink()
    yard: Any = request.getfixturevalue("yard")
    answer = await yard.get("/ui/")
    assert answer.status == 503
    assert "make page" in answer.json["error"]["message"]
    assert (await yard.get("/favicon.ico")).status == 404
