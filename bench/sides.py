"""The sides of a comparison: how each is started, on which port it is reached, and the one configuration that they share.

Swapyard and the peer read the same file. Model `bench` is the scripted upstream; `swap-1` and `swap-2` are two scripted
engines of which one runs at a time. nginx and `direct` know one upstream and no models.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Served, free_ports

HERE = Path(__file__).parent
NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "")

CONFIG = """\
startPort: {start_port}
healthCheckTimeout: 30
models:
  bench:
    cmd: {upstream} --port ${{PORT}}
    proxy: http://127.0.0.1:${{PORT}}
    concurrencyLimit: 5000
  swap-1:
    cmd: {engine} --port ${{PORT}} --model swap-1
    proxy: http://127.0.0.1:${{PORT}}
  swap-2:
    cmd: {engine} --port ${{PORT}} --model swap-2
    proxy: http://127.0.0.1:${{PORT}}
groups:
  bench: {{swap: false, exclusive: false, persistent: true, members: [bench]}}
  swap: {{swap: true, exclusive: false, members: [swap-1, swap-2]}}
"""

NGINX_CONFIG = """\
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream engine {{
    server 127.0.0.1:{upstream_port};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 100000000;
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


@dataclass(slots=True)
class Peer:
    """Another gateway. `command` may hold {port}, {config} and {upstream_port}."""

    name: str
    command: str


@dataclass(slots=True)
class Bench:
    """Where things are in this run, and which sides it has. `folder` is temporary."""

    folder: Path
    peer: Peer | None = None
    with_swapyard: bool = True
    upstream_flags: tuple[str, ...] = ()
    upstream_port: int = 0

    @property
    def names(self) -> list[str]:
        """The sides, in the order of the table."""
        return ["direct", *(["nginx"] if NGINX else []), *self.gateways]

    @property
    def gateways(self) -> list[str]:
        return [*(["swapyard"] if self.with_swapyard else []), *([self.peer.name] if self.peer else [])]

    def command(self, name: str, port: int, more: str = "") -> list[str]:
        match name:
            case "direct":
                return self.upstream(port)
            case "nginx":
                config = self.folder / f"nginx-{port}.conf"
                config.write_text(NGINX_CONFIG.format(folder=self.folder, port=port, upstream_port=self.upstream_port))
                return [NGINX, "-c", str(config), "-p", str(self.folder), "-e", str(self.folder / "nginx-error.log")]
            case "swapyard" | "unrecorded":
                flags = ["--config", str(self.config(port, more)), "--listen", f"127.0.0.1:{port}"]
                return [sys.executable, "-m", "swapyard" if name == "swapyard" else "bench.unrecorded", *flags]
            case _:
                assert self.peer is not None
                values = {"port": port, "config": self.config(port), "upstream_port": self.upstream_port}
                return shlex.split(self.peer.command.format(**values))

    def upstream(self, port: int | None = None) -> list[str]:
        return [sys.executable, str(HERE / "upstream.py"), *self.upstream_flags, *(["--port", str(port)] if port else [])]

    def engine(self) -> list[str]:
        """The engine of the swaps: it loads at once and answers without a pause."""
        flags = ["--load-seconds", "0", "--tokens-per-second", "0", "--prompt-tokens-per-second", "0"]
        return [sys.executable, "-m", "swapyard.demo.engine", *flags, "--journal", str(self.folder / "journal")]

    def config(self, port: int, more: str = "") -> Path:
        path = self.folder / f"config-{port}.yaml"
        commands = {"upstream": shlex.join(self.upstream()), "engine": shlex.join(self.engine())}
        path.write_text(CONFIG.format(start_port=free_ports(8), **commands) + more)
        return path

    def start(self, name: str, more: str = "") -> Served:
        """A new process of a side, to be entered. `more`: keys for Swapyard's configuration."""
        port = free_ports()
        return Served(self.command(name, port, more), port, self.folder / f"{name}.log")

    @contextmanager
    def all_running(self) -> Iterator[dict[str, Served]]:
        """Every side at once, by name."""
        with ExitStack() as stack:
            running: dict[str, Served] = {}
            for name in self.names:
                running[name] = stack.enter_context(self.start(name))
                if name == "direct":
                    self.upstream_port = running[name].port
            yield running
