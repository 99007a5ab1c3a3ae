"""The appliance's own sheet: how it fares, its models, settings, people and log, for the admin alone."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from bramble.chat import copies
from bramble.engine.client import Phase
from bramble.updates.requested import TOLD
from tests.conftest import Start
from tests.daemons import Running
from tests.e2e.conftest import DESKTOP, Visit
from tests.e2e.person import Person
from tests.e2e.test_door import PASSWORD, REFUSED, claim, sign_in
from tests.e2e.test_people import grave
from tests.updates.appliance import updating

LOCAL = ip_address("127.0.0.1")


class Admin:
    """Somebody who is signed in as admin and has the sheet open."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.sheet = person.page.get_by_role("dialog", name="The appliance")

    async def enter(self) -> None:
        """Open the sheet."""
        await self.person.button("Settings").click()
        await self.person.button("Look after the appliance").click()

    async def leave(self) -> None:
        """Close it, and whatever it was opened from."""
        await self.person.page.keyboard.press("Escape")
        await expect(self.sheet).to_be_hidden()

    async def open(self, part: str) -> Locator:
        """Go to a part of it."""
        await self.sheet.get_by_role("tab", name=part).click()
        panel = self.sheet.get_by_role("tabpanel", name=part)
        await expect(panel).to_be_visible()
        return panel


async def enter(daemon: Running, visit: Visit, **options: object) -> Admin:
    """Sign in and open the sheet."""
    await daemon.until(Phase.READY)
    person = await (
        await visit(daemon.url, forgives=REFUSED, loses_link=True, **DESKTOP | options)
    ).ready()
    await person.button("Settings").click()
    await person.button("Sign in").click()
    await sign_in(person, "admin", PASSWORD)
    await person.ready()
    admin = Admin(person)
    await admin.enter()
    return admin


@pytest.fixture(autouse=True)
def claimed(tmp_path: Path) -> None:
    """The appliance has a password."""
    claim(tmp_path)


async def test_it_tells_how_it_fares_while_it_works(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        admin = await enter(daemon, visit)
        panel = await admin.open("State")
        await expect(panel).to_contain_text("ready")
        await expect(panel).to_contain_text("left")
        await expect(panel.get_by_text("tokens/s")).to_be_visible()
        line = panel.locator("polyline").first
        before = await line.get_attribute("points")
        await expect(line).not_to_have_attribute("points", before or "")
        await panel.get_by_role("button", name="Start the engine anew").click()
        await expect(panel).to_contain_text("ready")
        await expect(panel.get_by_role("button", name="Switch the machine off")).to_be_hidden()
        async with admin.person.page.expect_download() as told:
            await panel.get_by_role("link", name="Save all conversations").click()
        copies.check(Path(await (await told.value).path()))


async def test_a_machine_that_may_be_switched_off_here_asks_twice(
    chats: Start, visit: Visit
) -> None:
    async with chats(["server.power=true"]) as daemon:
        admin = await enter(daemon, visit)
        panel = await admin.open("State")
        for name in ("Restart the machine", "Switch the machine off"):
            await panel.get_by_role("button", name=name).click()
            await expect(panel.get_by_role("button", name="Really?")).to_be_visible()
            await admin.person.page.keyboard.press("Tab")
            await expect(panel.get_by_role("button", name=name)).to_be_visible()


async def test_an_update_is_brought_and_how_it_went_is_read(
    chats: Start, visit: Visit, tmp_path: Path
) -> None:
    root = updating(tmp_path)
    for name, size in (
        ("bramble-9.9.0-arm64.tar", 2_000_000),
        (
            "bramble-9.9.0-arm64.tar.minisig",
            300,
        ),
    ):
        (tmp_path / name).write_bytes(bytes(size))
    both = sorted(tmp_path.glob("bramble-9.9.0*"))
    async with chats(root=root) as daemon:
        admin = await enter(daemon, visit)
        panel = await admin.open("State")
        section = panel.locator("section").filter(
            has=admin.person.page.get_by_role("heading", name="Update")
        )
        chosen = section.get_by_label("Choose a pack")
        await chosen.set_input_files(both[:1])
        await section.get_by_role("button", name="Install").click()
        await expect(admin.sheet.get_by_role("alert")).to_contain_text(
            "signature (.minisig) together"
        )
        await chosen.set_input_files(both)
        await section.get_by_role("button", name="Install").click()
        await expect(section).to_contain_text("It is being installed")
        await expect(section.get_by_role("button", name="Install")).to_be_disabled()
        assert (tmp_path / "update/pack.tar").stat().st_size == 2_000_000
        assert (tmp_path / "update/pack.tar.minisig").stat().st_size == 300
        (tmp_path / "update/request").unlink()  # systemd takes it
        (root / TOLD / "told").write_text("Signed: Bramble 9.9.0\nBramble 9.9.0 answers.\n")
        (root / TOLD / "result").write_text("success\n")
        await expect(section).to_contain_text("Bramble 9.9.0 answers.")
        await expect(section.get_by_role("button", name="Install")).to_be_enabled()


async def test_where_nothing_waits_for_updates_none_is_offered(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        admin = await enter(daemon, visit)
        panel = await admin.open("State")
        await expect(panel).to_contain_text("tokens/s")
        await expect(panel.get_by_role("heading", name="Update")).to_be_hidden()


async def test_what_counts_at_once_is_changed_here(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        admin = await enter(daemon, visit)
        await admin.leave()
        await admin.person.ask("Count from one to ten.")
        before = (await admin.person.message())["stats"]["prompt_tokens"]
        await admin.person.new_chat()
        await admin.enter()
        panel = await admin.open("Settings")
        prompt = panel.get_by_label("What every answer is told first")
        await prompt.fill("You are terse. " * 20)
        await panel.get_by_label("Longest answer").fill("-5")
        await panel.get_by_role("button", name="Save").click()
        await expect(admin.sheet.get_by_role("alert")).to_contain_text("max_tokens")
        await panel.get_by_label("Longest answer").fill("4")
        await panel.get_by_role("button", name="Save").click()
        await expect(panel).to_contain_text("Saved. It counts from now on.")
        await admin.leave()
        await admin.person.ask("Count from one to ten.")
        await expect(admin.person.answers.last).to_contain_text("the longest an answer may be")
        assert (await admin.person.message())["stats"]["prompt_tokens"] > before + 20


async def test_people_and_keys_are_added_and_taken_away(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        admin = await enter(daemon, visit)
        panel = await admin.open("People")
        await panel.get_by_label("Name").fill("ada")
        await panel.get_by_label("Password").fill("her " + PASSWORD)
        await panel.get_by_role("button", name="Add the account").click()
        ada = panel.get_by_role("listitem").filter(has_text="ada")
        await expect(ada).to_be_visible()
        await panel.get_by_label("What it is for").fill("Home Assistant")
        await panel.get_by_role("button", name="Make a key").click()
        key = panel.get_by_role("listitem").filter(has_text="Home Assistant")
        await expect(key).to_contain_text("not used yet")
        secret = await panel.locator("code").inner_text()
        assert await daemon.daemon.keeper.identify(f"Bearer {secret}", "", LOCAL, must=True)
        for row in (ada, key):
            await row.get_by_role("button", name="Delete").click()
            await row.get_by_role("button", name="Really?").click()
            await expect(row).to_have_count(0)


async def test_models_and_log_are_told(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        admin = await enter(daemon, visit)
        panel = await admin.open("Models")
        starter = panel.get_by_role("listitem").filter(has_text="SmolLM2 135M")
        await expect(starter).to_contain_text("answers now")
        await expect(starter.get_by_role("button", name="Delete")).to_be_hidden()
        panel = await admin.open("Log")
        await expect(panel.get_by_role("group", name="Log")).to_contain_text("sign_in")
        await admin.person.page.keyboard.press("ArrowLeft")
        await expect(admin.sheet.get_by_role("tab", name="People")).to_be_focused()


@pytest.mark.parametrize("light", ["light", "dark"])
async def test_axe_finds_nothing_serious_here(chats: Start, visit: Visit, light: str) -> None:
    async with chats() as daemon:
        options = {"color_scheme": light, "reduced_motion": "reduce", "bypass_csp": True}
        admin = await enter(daemon, visit, **options)
        for part in ("State", "Models", "Settings", "People", "Log"):
            await admin.open(part)
            assert await grave(admin.person) == [], part
