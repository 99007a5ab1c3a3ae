"""The settings: what is accepted, and that every mistake is told at once, in its place, with the nearest right name."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from bramble.config import (
    Config,
    ThreadCounts,
    default_file,
    example,
    load,
    loader,
    thread_counts,
)
from bramble.config.schema import SECTIONS, SETTINGS
from bramble.errors import ConfigError

REPO = Path(__file__).parent.parent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def mistakes(file: Path | None, *overrides: str) -> list[str]:
    """What `load` complains about, with the folder left out."""
    with pytest.raises(ConfigError) as caught:
        load(file, overrides)
    return [line.replace(f"{file}", "config.yaml") for line in caught.value.message.splitlines()]


def number_bounds() -> list[tuple[str, Any, Any]]:
    """Every setting that takes a number, with the smallest and the largest."""
    found: list[tuple[str, Any, Any]] = []
    for name, kind in SETTINGS.items():
        base, meta = get_args(kind)
        for option in (kind, *get_args(base)):
            if get_origin(option) is Annotated and get_args(option)[1].ge is not None:
                meta: Meta = get_args(option)[1]
                found.append((name, meta.ge, meta.le))
    return found


def value_of(config: Config, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def test_groups_inside_groups(file: Path) -> None:
    file.write_text("guard:\n  memory:\n    limit: 600\n    reserv: 5\n  heat:\n  memmory: 3\n")
    assert mistakes(file, "guard.heat.soft=hot") == [
        "config.yaml:4: guard.memory.reserv: unknown setting, did you mean guard.memory.reserve?",
        "config.yaml:6: guard.memmory: unknown setting, did you mean guard.memory?",
        "--set guard.heat.soft: must be a number from 40 to 110, not hot",
    ]
    file.write_text("guard:\n  memory:\n    limit: 600\n  heat:\n    hard: 90\n")
    guard = load(file, ["guard.heat.soft=70"]).guard
    assert (guard.memory.limit, guard.memory.reserve) == (600, "auto")
    assert (guard.heat.soft, guard.heat.hard) == (70, 90)


# ── the example file ─────────────────────────────────────────────────────────────────────────────


def test_the_example_file_is_the_code() -> None:
    """Regenerate with `python -m bramble.config > config.example.yaml`."""
    assert (REPO / "config.example.yaml").read_text() == example()


def test_the_example_file_says_the_defaults() -> None:
    assert load(REPO / "config.example.yaml", []) == Config()


def test_the_example_shows_every_setting_with_help() -> None:
    lines = [line.strip().removeprefix("# ") for line in example().splitlines()]
    for name in SETTINGS:
        shown = next(
            i for i, line in enumerate(lines) if line.startswith(name.split(".")[-1] + ":")
        )
        assert lines[shown - 1].endswith(")"), f"{name} has no help above it"


# ── what is accepted ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "server:\nengine: {}\n", "null\n"])
def test_a_file_without_settings_means_the_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert load(file, []) == Config()


def test_every_kind_of_value(file: Path) -> None:
    file.write_text(
        """
        log_level: debug
        models_dir: /srv/models
        server: {host: "::1", port: 0, names: [no, on, 1234], allow: [10.1.2.3, fd00::/8], drain: 2}
        engine: {"threads": 3, model: 123}
        chat:
          system_prompt: ""
        """
    )
    config = load(file, [])
    assert config.log_level == "debug"
    assert config.models_dir == Path("/srv/models")
    assert config.server.host == "::1"
    assert config.server.port == 0
    assert config.server.names == ("no", "on", "1234")
    assert config.server.allow == (ip_network("10.1.2.3/32"), ip_network("fd00::/8"))
    assert config.server.drain == 2.0
    assert config.engine.threads == 3
    assert config.engine.model == "123"
    assert config.chat.system_prompt == ""


def test_overrides_count_more_than_the_file_and_the_last_most(file: Path) -> None:
    file.write_text("engine: {slots: 2, context: 512}\n")
    config = load(
        file, ["engine.slots=3", "engine.slots=5", "server.host=*", "chat.system_prompt="]
    )
    assert (config.engine.slots, config.engine.context) == (5, 512)
    assert (config.server.host, config.chat.system_prompt) == ("*", "")


@pytest.mark.parametrize(("name", "lowest", "highest"), number_bounds())
def test_bounds_belong_to_what_is_allowed(name: str, lowest: float, highest: float) -> None:
    for value in (lowest, highest):
        assert value_of(load(None, [f"{name}={value}"]), name) == value
    for value in (lowest - 1, highest + 1):
        (mistake,) = mistakes(None, f"{name}={value}")
        assert mistake.startswith(f"--set {name}: must be ")
        assert mistake.endswith(f"from {lowest} to {highest}, not {value}")


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text(
        """\
sever:
  port: 1
server:
  port: 70000
  host:
  drain: .nan
  allow: [10.0.0.0/8, fritz,
    [a]]
  names: home
port: 80
engine:
  contxt: 5
  model: {a: b}
  threads: fast
  threads: 2
chat: [3]
log_level: loud
? [a]
: 5
"""
    )
    assert mistakes(file, "engine.slot=3", "queue.waiting=1e3", "oops") == [
        "config.yaml:1: sever: unknown setting, did you mean server?",
        "config.yaml:4: server.port: must be a whole number from 0 to 65535, not 70000",
        "config.yaml:5: server.host: has no value; it takes text",
        "config.yaml:6: server.drain: must be a number from 0 to 60, not .nan",
        "config.yaml:7: server.allow: must be a network like 192.168.0.0/16, not fritz",
        "config.yaml:8: server.allow: must be a network like 192.168.0.0/16, not a list",
        "config.yaml:9: server.names: must be a list of texts, not home",
        "config.yaml:10: port: unknown setting, did you mean server.port?",
        "config.yaml:12: engine.contxt: unknown setting, did you mean engine.context?",
        "config.yaml:13: engine.model: must be text, not a group of settings",
        "config.yaml:14: engine.threads: must be auto, {decode: …, prefill: …}"
        " or a whole number from 1 to 256, not fast",
        "config.yaml:15: engine.threads: stands here again, first in line 14",
        "config.yaml:16: chat: must hold settings, not a list",
        "config.yaml:17: log_level: must be debug, info, warning or error, not loud",
        "config.yaml:18: a setting's name is wanted, not a list",
        "--set engine.slot: unknown setting, did you mean engine.slots?",
        "--set queue.waiting: must be a whole number from 0 to 10000, not 1e3",
        "--set oops: must look like server.port=8080",
    ]


@pytest.mark.parametrize(
    "value", [".inf", "-.inf", ".nan", "true", "'5'", "5 s", "", "[5]", "1e999", "9" * 5000, "1:20"]
)
def test_what_is_no_amount_is_refused(file: Path, value: str) -> None:
    file.write_text(f"server:\n  drain: {value}\n")
    (mistake,) = mistakes(file)
    assert mistake.startswith("config.yaml:2: server.drain: ")
    assert "a number from 0 to 60" in mistake
    assert len(mistake) < 150


@pytest.mark.parametrize("value", ["'8080'", "80.0", "yes", "0x50", "8:80", "~"])
def test_what_is_no_whole_number_is_refused(value: str) -> None:
    (mistake,) = mistakes(None, f"server.port={value}")
    assert "a whole number from 0 to 65535" in mistake


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("server.slots", "engine.slots"),
        ("engine.treads", "engine.threads"),
        ("contextt", "engine.context"),
        ("statedir", "state_dir"),
        ("quue", "queue"),
    ],
)
def test_the_nearest_name_is_offered(wrong: str, right: str) -> None:
    assert mistakes(None, f"{wrong}=1") == [
        f"--set {wrong}: unknown setting, did you mean {right}?"
    ]


def test_no_name_is_offered_where_none_is_near() -> None:
    assert mistakes(None, "zzz.qqq=1") == ["--set zzz.qqq: unknown setting"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"server:\n  port: [1\nchat: 2\n", "config.yaml:3: is no YAML: "),
        (b"server: &a\n  host: *nobody\n", "config.yaml:2: is no YAML: "),
        (b"log_level: info\n---\nlog_level: info\n", "config.yaml:2: is no YAML: "),
        (b"log_level: \x01\n", "config.yaml: is no YAML: "),
        (b"\xff\xfe\xff", "config.yaml: is no text in UTF-8"),
        (b"- a\n- b\n", "config.yaml:1: must hold settings like `log_level: info`, not a list"),
        (
            b"\n\njust words\n",
            "config.yaml:3: must hold settings like `log_level: info`, not just words",
        ),
        (b"[" * 3000, "config.yaml: is nested too deeply"),
    ],
)
def test_a_file_that_is_no_settings(file: Path, content: bytes, expected: str) -> None:
    file.write_bytes(content)
    (mistake,) = mistakes(file)
    assert mistake.startswith(expected)


def test_a_file_that_is_not_there(file: Path) -> None:
    assert mistakes(file) == ["config.yaml: cannot be read: No such file or directory"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path) == ["config.yaml: cannot be read: Is a directory"]


@given(st.binary() | st.text().map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_surprises(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    _load_or_complain(file)


_text = st.text(max_size=12)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | _text
_values = _scalars | st.lists(_scalars, max_size=3) | st.dictionaries(_text, _scalars, max_size=3)
_names = st.sampled_from([*SECTIONS, *(name.split(".")[-1] for name in SETTINGS)]) | _text
_groups = st.dictionaries(_names, _values, max_size=4)


@given(st.dictionaries(_names, _values | _groups, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_surprises(file: Path, content: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(content))
    _load_or_complain(file)


def _load_or_complain(file: Path) -> None:
    try:
        assert isinstance(load(file, []), Config)
    except ConfigError as error:
        assert error.message.startswith(str(file))


# ── where things are ─────────────────────────────────────────────────────────────────────────────


def test_folders_follow_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/bramble:/var/lib/other")
    config = load(None, [])
    assert (config.state_dir, config.models_dir) == (
        Path("/var/lib/bramble"),
        Path("/var/lib/bramble/models"),
    )


def test_folders_follow_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/counts/as/unset")
    config = load(None, ["server.names=[a]"])
    assert config.state_dir == Path("/state/bramble")
    assert config.models_dir == tmp_path / ".local/share/bramble/models"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(None, ["state_dir=~/here"]).state_dir == tmp_path / "here"


def test_the_machines_own_file_is_found(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(loader, "SYSTEM_FILE", file)
    assert default_file() is None
    file.write_text("engine: {slots: 2}\n")
    assert default_file() == file
    assert load(None, []).engine.slots == 2


@pytest.mark.parametrize(("text", "value"), [("true", True), ("no", False), ("Off", False)])
def test_a_switch_is_on_or_off(text: str, value: bool) -> None:
    assert load(None, [f"chat.typing_ahead={text}"]).chat.typing_ahead is value


@pytest.mark.parametrize("value", ["1", "'true'", "maybe", "~"])
def test_what_is_no_switch_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="true or false"):
        load(None, [f"chat.typing_ahead={value}"])


def test_threads_may_be_given_for_decode_and_prefill(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("engine:\n  threads: {decode: 2, prefill: 4}\n")
    assert load(file, []).engine.threads == ThreadCounts(2, 4)
    assert load(None, ["engine.threads={prefill: 3}"]).engine.threads == ThreadCounts(0, 3)
    assert thread_counts("auto") == thread_counts(ThreadCounts()) == ThreadCounts(0, 0)
    assert thread_counts(3) == ThreadCounts(3, 3)


@pytest.mark.parametrize(
    "value", ["{decode: 0}", "{decode: x}", "{decoder: 1}", "{decode: {}}", "[1, 2]", "{1: 2}"]
)
def test_what_is_no_thread_count(value: str) -> None:
    (mistake,) = mistakes(None, f"engine.threads={value}")
    assert "must be auto, {decode: …, prefill: …} or a whole number from 1 to 256" in mistake
