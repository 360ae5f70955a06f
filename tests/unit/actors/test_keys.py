import hashlib
import json
import logging
from pathlib import Path

import pytest

from tests.unit.actors.fakes import Bench
from tierfold.cli.keyfile import KEYS_FILE_VARIABLE, read_keys
from tierfold.errors import SetupError, UnauthorizedError
from tierfold_actors.answering import Call, Reply
from tierfold_actors.keys import Keyring, load_keyring

BODY = {"sources": [{"text": "x"}]}


def line(tenant: str, key: str) -> str:
    return f"{tenant}:{hashlib.sha256(key.encode()).hexdigest()}\n"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# ours\n\n" + line("acme", "k1") + "  " + line("acme", "k2") + line("b", "k3"))
    return path


@pytest.fixture
def keyring(keys_file: Path) -> Keyring:
    return load_keyring({KEYS_FILE_VARIABLE: str(keys_file)}, may_be_open=False)


@pytest.mark.parametrize(("key", "tenant"), [("k1", "acme"), ("k2", "acme"), ("k3", "b")])
def test_a_key_names_its_tenant(keyring: Keyring, key: str, tenant: str) -> None:
    """Two keys of one tenant let it change them one after the other."""
    assert tenant == keyring.tenant(f"Bearer {key}")
    assert tenant == keyring.tenant(f"bearer  {key}")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer k4", "Basic k1", "k1", "Bearer k1 k1"]
)
def test_anything_else_is_refused(keyring: Keyring, header: str | None) -> None:
    """Only a whole key under the right scheme counts."""
    with pytest.raises(UnauthorizedError):
        keyring.tenant(header)


def test_every_entry_is_compared(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """An early exit would tell how far down a key stands."""
    compared: list[bytes] = []

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return given == known

    monkeypatch.setattr("hmac.compare_digest", compare)

    keyring.tenant("Bearer k1")

    assert len(compared) == 3


def test_without_a_file_everybody_is_local() -> None:
    """On loopback nobody needs a key."""
    keyring = load_keyring({}, may_be_open=True)

    assert keyring.is_open
    assert keyring.tenant(None) == "local"


def test_without_a_file_a_gateway_for_others_does_not_start() -> None:
    """Fail closed: a lost Secret must not open the door."""
    with pytest.raises(SetupError, match=KEYS_FILE_VARIABLE):
        load_keyring({}, may_be_open=False)


@pytest.mark.parametrize(
    "bad", ["acme", "acme:123", ":" + "0" * 64, "a b:" + "0" * 64, "x:" + "g" * 64]
)
def test_a_malformed_line_is_named_by_number_and_never_shown(tmp_path: Path, bad: str) -> None:
    """A file with a raw key in it by mistake must not end in a log."""
    path = tmp_path / "keys"
    path.write_text(line("acme", "k1") + bad + "\n")

    with pytest.raises(SetupError, match="line 2") as refused:
        read_keys(path)

    assert bad not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"# only words\n", b"\xff\xfe"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty file is a mistake, not a wish to let nobody in."""
    path = tmp_path / "keys"
    path.write_bytes(content)

    with pytest.raises(SetupError):
        read_keys(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The sentence names the variable and the file."""
    with pytest.raises(SetupError, match=f"{KEYS_FILE_VARIABLE}: cannot read .*nowhere"):
        read_keys(tmp_path / "nowhere")


async def test_routes_that_work_ask_for_a_key_and_health_does_not(keyring: Keyring) -> None:
    """Probes and docs stay open."""
    async with Bench(keyring=keyring).client() as client:
        refused = await client.post("/v1/process", json=BODY)
        openai = await client.post("/v1/compress", json={"messages": []})
        taken = await client.post("/v1/process", json=BODY, headers={"authorization": "Bearer k3"})
        health = [await client.get(path) for path in ("/livez", "/readyz", "/health", "/docs")]

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["content-type"] == "application/problem+json"
    assert openai.status_code == 401
    assert openai.json()["error"]["type"] == "authentication_error"
    assert taken.status_code == 200
    assert {200} == {response.status_code for response in health}


SECRET = "The lease is void, and nobody but the two of us may ever know about it."


@pytest.mark.parametrize("path", ["/v1/process", "/v1/compress"])
@pytest.mark.parametrize(
    "body",
    [
        {"sources": [{"text": SECRET}], "messages": [{"role": "user", "content": SECRET}]},
        {"sources": [SECRET], "messages": SECRET},
        {"sources": [{"messages": [{"role": SECRET}]}], "messages": [{"role": SECRET}]},
        f'{{"sources": [{{"text": "{SECRET}\\ud800"}}], "messages": ["{SECRET}\\ud800"]}}',
        f"{SECRET} is no JSON",
        SECRET.encode() + b"\xff",
    ],
    ids=["good", "wrong type", "wrong role", "lone surrogate", "no JSON", "no UTF-8"],
)
async def test_texts_and_keys_are_in_no_log_and_no_error(
    keyring: Keyring, caplog: pytest.LogCaptureFixture, path: str, body: dict[str, object] | str
) -> None:
    """Whatever was wrong with the request, and at every level of logging."""
    content = json.dumps(body) if isinstance(body, dict) else body
    shown = ""
    with caplog.at_level(logging.DEBUG):
        async with Bench(keyring=keyring).client() as client:
            for key in ("k3", "no-such-key"):
                headers = {"authorization": f"Bearer {key}"}
                response = await client.post(path, content=content, headers=headers)
                shown += "" if response.is_success else response.text

    for secret in (SECRET, "Bearer", "no-such-key"):
        assert secret not in caplog.text
    for secret in (SECRET, "k3", "no-such-key"):
        assert secret not in shown


def test_a_call_and_a_reply_can_be_shown_without_their_text() -> None:
    """Event loops and tracebacks log the arguments of what failed."""
    call = Call(route="process", body=SECRET.encode(), request_id="r", started_ms=0.0)

    assert SECRET not in repr([call, Reply(body=SECRET.encode())])


async def test_keys_are_never_logged(keyring: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    """Neither right ones nor wrong ones."""
    with caplog.at_level(logging.DEBUG):
        async with Bench(keyring=keyring).client() as client:
            for key in ("k3", "wrong-key"):
                await client.post(
                    "/v1/process", json=BODY, headers={"authorization": f"Bearer {key}"}
                )

    assert "k3" not in caplog.text
    assert "wrong-key" not in caplog.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000", "origin": "http://127.0.0.1:3000"}, 200),
        ({"host": "attacker.example"}, 403),
        ({"host": "127.0.0.1.attacker.example:8000"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "https://attacker.example"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "null"}, 403),
        ({"host": ""}, 403),
    ],
)
async def test_a_web_page_cannot_use_a_server_without_keys(
    headers: dict[str, str], status: int
) -> None:
    """A browser on this machine reaches 127.0.0.1; pages from elsewhere must not through it."""
    async with Bench().client() as client:
        response = await client.post("/v1/process", json=BODY, headers=headers)

    assert response.status_code == status


async def test_with_keys_any_name_will_do(keyring: Keyring) -> None:
    """Then the key decides, and a load balancer has its own name."""
    headers = {"host": "context.example", "authorization": "Bearer k3"}
    async with Bench(keyring=keyring).client() as client:
        response = await client.post("/v1/process", json=BODY, headers=headers)

    assert response.status_code == 200
