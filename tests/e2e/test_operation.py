"""The command from outside: its flags, what it prints, what it exits with, where it listens."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]


def command(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "swapyard", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, **more)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "yard.yaml"
    path.write_text("models:\n  a:\n    cmd: server --port ${PORT}\n")
    return path


# --- words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_version_and_help(dashes: str) -> None:
    version = command(f"{dashes}version")
    assert (version.returncode, version.stderr) == (0, "")
    assert re.fullmatch(r"swapyard \d+\.\d+\.\d+\S* \(commit \S+, build date \S+\)\n", version.stdout)
    usage = command(f"{dashes}help")
    assert (usage.returncode, usage.stderr) == (0, "")
    assert "--watch-config" in usage.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--conifg a.yaml", 2, "did you mean --config?"),
        ("--config", 2, "--config needs a value"),
        ("--config a.yaml --listen 8080", 2, "write :8080"),
        ("check --listen :80", 2, "unknown flag"),
        ("", 1, "--config"),
        ("--config a.yaml --tls-cert-file c.pem", 1, "--tls-key-file is missing"),
        ("--config /no/such/file.yaml", 1, "/no/such/file.yaml"),
        ("check --config /no/such/file.yaml", 1, "/no/such/file.yaml"),
        ("--config-dir /no/such/dir", 1, "/no/such/dir"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_said_in_a_line_or_two(arguments: str, code: int, words: str) -> None:
    done = command(*arguments.split())
    assert done.returncode == code
    said = done.stdout + done.stderr
    assert words in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 3


@pytest.mark.parametrize("how", ["serve", "check"])
def test_every_problem_of_a_configuration_is_told_with_its_place(tmp_path: Path, how: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("models:\n  a:\n    cmd: server\n    ttl: soon\n  b:\n    cmd: [1]\nstartPort: -1\n")
    done = command(how, "--config", path)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    for line in (4, 6, 7):
        assert f"{path}:{line}: " in said
    assert "Traceback" not in said


def test_check_prints_what_the_configuration_amounts_to(tmp_path: Path) -> None:
    path = tmp_path / "yard.yaml"
    model = {"cmd": "server --port ${PORT}", "filters": {"stripParams": "a.*.b"}}
    path.write_text(json.dumps({"apiKeys": ["sk-very-secret"], "models": {"a": model}}))
    done = command("check", "-config", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "server --port 5800" in done.stdout
    assert "sk-very-secret" not in done.stdout
    assert '# warning: models.a.filters.stripParams: "a.*.b"' in done.stdout


def test_schema_is_json_even_into_a_closed_pipe() -> None:
    done = command("schema")
    assert done.returncode == 0
    assert "$schema" in json.loads(done.stdout)
    piped = f"{sys.executable} -m swapyard schema | head -c 10"
    into_pipe = subprocess.run(["sh", "-c", piped], capture_output=True, text=True, timeout=30)
    assert (into_pipe.returncode, into_pipe.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error_without_a_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "swapyard", "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30
        )
    assert done.returncode == 1
    assert done.stderr == "swapyard: [Errno 28] No space left on device\n"


# --- where it listens ---------------------------------------------------------------------------------------------------


def taken(port: int) -> AbstractContextManager[Any]:
    """Whoever has it, us or somebody else: nobody else can have it now."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return contextlib.nullcontext()


def test_a_port_that_is_taken_is_told_with_a_way_out(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command("--config", config, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stdout
    assert "choose a free one with --listen" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 80])  # RFC 5737: nobody's; longer than any name
def test_an_address_that_is_not_ours_is_told(config: Path, host: str) -> None:
    done = command("--config", config, "--listen", f"{host}:8123")
    assert done.returncode == 1
    assert f"cannot listen on {host}:8123" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_listen_only_this_machine_can_connect_until_there_are_keys(config: Path) -> None:
    with taken(8080):
        local = command("--config", config).stdout
        config.write_text(config.read_text() + "apiKeys: [sk-1]\n")
        open_to_all = command("--config", config).stdout
    assert "no apiKeys are set, so only this machine can connect" in local
    assert "cannot listen on 127.0.0.1:8080" in local
    assert "apiKeys are set, so all interfaces are listened on" in open_to_all
    assert "cannot listen on :8080" in open_to_all


def test_listening_to_all_without_keys_is_warned_of(swapyard: Start, scripted: Scripted) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}, "-listen=:0") as running:
        assert httpx.get(running.address + "/health").text == "OK"
        running.output.wait_for("anyone who can reach this machine can use it")


# --- serving ------------------------------------------------------------------------------------------------------------


def test_files_of_a_directory_add_to_the_configuration(swapyard: Start, scripted: Scripted, tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "b.yaml").write_text(json.dumps({"models": {"b": {"cmd": scripted("b")}}}))
    (folder / "c.yml").write_text(json.dumps({"models": {"c": {"cmd": scripted("c")}}}))
    (folder / "d.txt").write_text("no: yaml: at: all")
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}, "-config-dir", str(folder)) as running:
        for name in "abc":
            assert running.ask(name).json()["model"] == name


def test_the_demo_swaps(until: Until) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "swapyard", "demo", "--listen", "127.0.0.1:0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout
    with demo.stdout as output:
        try:
            address = next(found[1] for line in output if (found := re.search(r"listening on (\S+)", line)))
            assert httpx.post(address + "/v1/embeddings", json={"model": "squirrel", "input": "nut"}).status_code == 200
            for name in ("hare", "magpie"):
                body: dict[str, Any] = {"model": name, "max_tokens": 3, "messages": []}
                answer = httpx.post(address + "/v1/chat/completions", json=body, timeout=30)
                assert answer.status_code == 200, answer.text
            running = {row["model"] for row in httpx.get(address + "/running").json()["running"]}
            assert running == {"squirrel", "magpie"}
        finally:
            demo.send_signal(signal.SIGINT)
            output.read()
            assert demo.wait(30) == 0


def test_the_demo_tells_the_address_that_it_will_have(free_port: Callable[[], int]) -> None:
    from swapyard.cli import demo_hint
    from swapyard.cli.arguments import Listen

    assert "curl localhost:8080/running" in demo_hint(None)
    assert "curl localhost:9000/running" in demo_hint(Listen(None, 9000))
    assert "curl 192.168.1.2:9000/running" in demo_hint(Listen("192.168.1.2", 9000))
    assert "http://[fd00::1]:9000/" in demo_hint(Listen("fd00::1", 9000))


@pytest.fixture
def make_certificate(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Certificate and key for 127.0.0.1 in always the same two files; `name` is the subject."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def make(name: str) -> tuple[Path, Path]:
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*request, "-keyout", key, "-out", cert, *subject], check=True, capture_output=True)
        return cert, key

    return make


def test_tls_takes_a_new_certificate_on_sighup_and_keeps_the_old_one_when_the_new_is_bad(
    swapyard: Start, scripted: Scripted, make_certificate: Callable[[str], tuple[Path, Path]], until: Until
) -> None:
    cert, key = make_certificate("first")

    def subject() -> str:
        shown = ssl.create_default_context(cafile=str(cert))
        shown.verify_mode = ssl.CERT_NONE if broken else ssl.CERT_REQUIRED
        shown.check_hostname = not broken
        with (
            socket.create_connection(("127.0.0.1", running.port)) as plain,
            shown.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            return str(wrapped.getpeercert()).partition("commonName', '")[2].partition("'")[0]

    broken = False
    flags = ("-tls-cert-file", str(cert), "-tls-key-file", str(key))
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}, *flags) as running:
        assert running.address.startswith("https://")
        with httpx.Client(verify=ssl.create_default_context(cafile=str(cert)), base_url=running.address) as client:
            body = {"model": "a", "max_tokens": 2, "messages": []}
            assert client.post("/v1/chat/completions", json=body, timeout=30).status_code == 200
            assert subject() == "first"
            make_certificate("second")
            running.process.send_signal(signal.SIGHUP)
            running.output.wait_for("configuration reloaded")
            assert subject() == "second"
            assert client.get("/health").text == "OK"  # on the connection of before
        good = key.read_bytes()
        key.write_text("no key")
        running.process.send_signal(signal.SIGHUP)
        running.output.wait_for("not a certificate and its key in PEM format")
        key.write_bytes(good)
        assert subject() == "second"


def test_files_that_are_no_certificate_are_an_error_at_start(config: Path) -> None:
    done = command("--config", config, "--tls-cert-file", config, "--tls-key-file", config, "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "not a certificate and its key in PEM format" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture(autouse=True)
def _unbuffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users run it: output is not unbuffered by the environment."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
