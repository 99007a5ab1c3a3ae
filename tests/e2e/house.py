"""An appliance in a house, somebody's browser there, and what an attack on it could have changed."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Error, Page

from bramble.access.book import Book
from bramble.engine.client import Phase
from bramble.models.catalogue import OWN
from bramble.server.access import SESSION
from tests.daemons import Running, running
from tests.e2e.attacks import HELPERS
from tests.e2e.test_door import PASSWORD, claim
from tests.e2e.witness import Witness, witness

COUNTS = ("bramble_answers_total", "bramble_completion_tokens_total", "bramble_prompt_tokens_total")
MODEL = """  {0}:
    title: {0}
    about: {0}
    licence: none
    file: {0}.gguf
    size: 4
    sha256: {1}
    source: {{ kind: url, url: "https://evil.test/{0}.gguf" }}
"""
STREAM = {"X-Conversation-Id": "kittens"}
SIGN_IN = """async (password) => (await fetch("/api/session", { method: "POST",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({ password }) })).ok"""


class House:
    """A daemon, a witness in front of it, and where both keep things."""

    def __init__(self, daemon: Running, witness: Witness, folder: Path, *, owned: bool) -> None:
        self.daemon, self.witness, self.folder, self.owned = daemon, witness, folder, owned

    def at(self, name: str) -> str:
        """The appliance's address by this name."""
        return f"http://{name}:{self.witness.port}"

    async def prepare(self, context: BrowserContext, name: str) -> None:
        """All is as if nothing had happened; where there is a password this browser's owner is signed in as admin."""
        (self.folder / "models" / "puppy.gguf").write_text("GGUF")
        await self.daemon.until(Phase.READY)
        await self._speak()
        if not self.owned:
            with Book(self.folder).change() as contents:
                contents.admin = ""
        elif not (await self._session(context))["signed_in"]:
            claim(self.folder)
            page = await context.new_page()
            await page.goto(f"{self.at(name)}/kittens")
            assert await page.evaluate(SIGN_IN, PASSWORD)
            await page.close()

    async def run(self, page: Page, name: str, attack: str) -> Any:
        """What a page gets by this from the appliance of this name; "" where it is refused."""
        self.witness.seen.clear()
        at, code = self.at(name), await self.daemon.daemon.keeper.setup_code()
        secrets = {"code": code, "password": PASSWORD, "files": await self._files()}
        script = f"""async ([T, W, S]) => {{ {HELPERS}
            try {{ return (await (async () => {{ {attack} }})()) ?? "" }} catch {{ return "" }} }}"""
        return await page.evaluate(script, [at, at.replace("http", "ws", 1), secrets])

    async def state(self, page: Page) -> dict[str, Any]:
        """What an attack could have changed."""
        daemon = self.daemon.daemon
        async with self.daemon.http.get(f"{self.daemon.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        lookup = {"conversation_ids": ["kittens"]}
        async with self.daemon.http.post(
            f"{self.daemon.url}/v1/streams/lookup", json=lookup
        ) as response:
            streams = await response.json()
        with closing(sqlite3.connect(self.folder / "bramble.sqlite")) as database:
            (messages,) = database.execute("SELECT count(*) FROM messages").fetchone()
        return {
            "answers": [line for line in lines if line.startswith(COUNTS)],
            "streams": streams,
            "messages": messages,
            "engine": daemon.engine.state.pid,
            "fetches": [id(each) for each in daemon.fetches.all.values()],
            "swap": daemon.swapper.last,
            "files": sorted(each.name for each in (self.folder / "models").iterdir()),
            "people": _text(self.folder / "access.json"),
            "settings": _text(self.folder / "settings.yaml"),
            "power": _text(self.folder / "systemctl.asked"),
            "cookie": await _cookie(page.context),
            "session": await self._session(page.context),
            "framed": await _framed(page),
        }

    async def _session(self, context: BrowserContext) -> dict[str, Any]:
        """Who the appliance takes this browser for."""
        cookie = {"Cookie": f"{SESSION}={await _cookie(context)}"}
        async with self.daemon.http.get(
            f"{self.daemon.url}/api/session", headers=cookie
        ) as response:
            return await response.json()

    async def _speak(self) -> None:
        """Somebody's answer, which can be read again."""
        body = {"messages": [{"role": "user", "content": "say 3"}], "stream": True}
        url = f"{self.daemon.url}/v1/chat/completions"
        async with self.daemon.http.post(url, json=body, headers=STREAM) as response:
            assert response.status == 200
            await response.read()

    async def _files(self) -> str:
        async with self.daemon.http.get(
            f"{self.daemon.url}/", headers={"Accept": "text/html"}
        ) as response:
            page = await response.text()
        return "/static/" + page.partition("/static/")[2].partition("/")[0]


@asynccontextmanager
async def house(folder: Path, *, owned: bool) -> AsyncGenerator[House]:
    """One whose machine says that it was switched off, and stays on."""
    (folder / "models").mkdir()
    models = [
        MODEL.format(name, each * 64)
        for name, each in (("kitten", "a"), ("cat", "b"), ("puppy", "c"))
    ]
    (folder / "models" / OWN).write_text("models:\n" + "".join(models))
    systemctl = folder / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "$@" >>"$0.asked"\n')
    systemctl.chmod(0o755)
    settings = [
        "server.drain=0",
        "server.power=true",
        "server.names=[bramble.test]",
        f"models_dir={folder / 'models'}",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=":")
        async with running(folder, settings) as daemon, witness(daemon.url) as between:
            await daemon.until(Phase.READY)
            yield House(daemon, between, folder, owned=owned)


async def _cookie(context: BrowserContext) -> str:
    """What this browser is signed in with."""
    values = [each.get("value") for each in await context.cookies() if each.get("name") == SESSION]
    return "".join(filter(None, values))


async def _framed(page: Page) -> list[str]:
    """Where the appliance's page is to be seen inside of another."""
    found: list[str] = []
    for frame in page.frames[1:]:
        with suppress(Error):  # it goes elsewhere now
            if await frame.query_selector("#message"):
                found.append(frame.url)
    return found


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
