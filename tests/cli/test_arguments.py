"""The command line, as llama-swap's users write it."""

from __future__ import annotations

import pytest

from swapyard.cli.arguments import (
    COMMANDS,
    Check,
    Command,
    Demo,
    Listen,
    Monitor,
    Schema,
    Serve,
    ShowHelp,
    ShowVersion,
    UsageError,
    parse,
    parse_listen,
    usage,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("-config a.yaml", Serve(config="a.yaml")),
        ("--config a.yaml", Serve(config="a.yaml")),
        ("--config=a=b.yaml", Serve(config="a=b.yaml")),
        ("serve -config-dir d", Serve(config_dir="d")),
        ("-config a -config-dir d -config b", Serve(config="b", config_dir="d")),
        ("-config a -watch-config", Serve(config="a", watch_config=True)),
        ("-config a -watch-config=T", Serve(config="a", watch_config=True)),
        ("-watch-config -watch-config=false -config a", Serve(config="a")),
        ("-listen :9000 -config a", Serve(config="a", listen=Listen(None, 9000))),
        ("-listen= -config a", Serve(config="a")),
        ("-tls-cert-file c -tls-key-file k --config a", Serve(config="a", tls_cert_file="c", tls_key_file="k")),
        ("-config -strange-name", Serve(config="-strange-name")),
        ("check --config a", Check(config="a")),
        ("check --config-dir d", Check(config_dir="d")),
        ("schema", Schema()),
        ("demo", Demo()),
        ("monitor", Monitor()),
        ("monitor -every 2", Monitor(2.0)),
        ("monitor --every=1.5s", Monitor(1.5)),
        ("demo -listen [::1]:1", Demo(Listen("::1", 1))),
        ("--version", ShowVersion()),
        ("-version -config a", ShowVersion()),
        ("-h", ShowHelp(usage("serve"))),
        ("--help", ShowHelp(usage("serve"))),
        ("check -help", ShowHelp(usage("check"))),
    ],
)
def test_what_a_command_line_means(line: str, command: Command) -> None:
    assert parse(line.split()) == command


@pytest.mark.parametrize(
    ("line", "exit_code", "told"),
    [
        ("-confg a", 2, "unknown flag -confg; did you mean --config?"),
        ("--xyzzy=1", 2, "unknown flag --xyzzy; see swapyard --help"),
        ("---config a", 2, "unknown flag ---config; did you mean --config?"),
        ("demo -watch-config", 2, "unknown flag -watch-config"),
        ("monitor -every 0", 2, '--every must be a number of seconds, 0.5 or more, not "0"'),
        ("monitor -every soon", 2, 'not "soon"'),
        ("monitor -every nan", 2, 'not "nan"'),
        ("monitor 5", 2, 'swapyard monitor takes no "5"'),
        ("-config", 2, "--config needs a value: --config FILE"),
        ("-config a -watch-config=maybe", 2, "--watch-config=maybe is neither true nor false"),
        ("-config a -listen 8080", 2, 'bad listening address "8080": write :8080'),
        ("check a.yaml", 2, 'takes no "a.yaml"; did you mean --config a.yaml?'),
        ("schema -- x", 2, 'swapyard schema takes no "x"'),
        ("", 1, "no configuration: give --config FILE"),
        ("check", 1, "no configuration"),
        ("-config=", 1, "no configuration"),
        ("chekc", 2, '"chekc" is no command; did you mean "swapyard check"?'),
        ("chekc --config a", 2, '"chekc" is no command; did you mean "swapyard check"?'),
        ("version", 2, '"version" is no command; did you mean "--version"?'),
        ("a.yaml", 2, '"a.yaml" is no command; did you mean --config a.yaml?'),
        ("xyzzy plugh --config a", 2, '"xyzzy" is no command; see swapyard --help'),
        ("serve xyzzy --config a", 1, '"xyzzy --config a" is ignored'),
        ("-config a -tls-cert-file c", 1, "--tls-key-file is missing"),
        ("-config a -tls-key-file k", 1, "--tls-cert-file is missing"),
    ],
)
def test_what_is_wrong_with_a_command_line(line: str, exit_code: int, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert told in str(caught.value)
    assert caught.value.exit_code == exit_code


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("-config a extra words", '"extra words" is ignored'),
        ("-config a dmo", '"dmo" is ignored; did you mean "swapyard demo"?'),
        (
            "-config a -watch-config true -listen :1",
            '"true -listen :1" is ignored; a switch takes its value with =, as in --watch-config=true',
        ),
        ("-config a -- -listen :1", '"-listen :1" is ignored'),
        ("-config a -", '"-" is ignored'),
    ],
)
def test_words_after_the_flags_are_ignored_with_a_warning(line: str, warning: str) -> None:
    command = parse(line.split())
    assert isinstance(command, Serve)
    assert (command.config, command.listen) == ("a", None)
    assert command.warnings == (warning,)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", (None, 8080)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_addresses_to_listen_on(text: str, address: tuple[str | None, int]) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("8080", "write :8080 for that port"),
        ("localhost", "write localhost:8080"),
        ("http://localhost:8080", "leave out the http://"),
        ("::1:8080", "[::1]:8080"),
        ("*:8080", "write :8080 for every interface"),
        ("localhost:http", '"http" is no port number'),
        ("localhost:65536", "no port number"),
        ("localhost:-1", "no port number"),
        ("localhost:", "no port number"),
        (":\u0661", "no port number"),
        ("a b:1", '"a b" is no host name'),
        ("host/path:1", "no host name"),
        ("[localhost]:1", "no host name"),
    ],
)
def test_a_bad_address_comes_with_advice(text: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_listen(text)
    assert str(caught.value).startswith(f'bad listening address "{text}"')
    assert advice in str(caught.value)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_text_tells_every_flag_in_lines_that_fit(command: str) -> None:
    text = usage(command)
    assert max(map(len, text.splitlines())) <= 100
    for flag in COMMANDS[command][1]:
        assert f"--{flag.name}" in text
    if command == "serve":
        for other in COMMANDS:
            assert f"  {other} " in text
