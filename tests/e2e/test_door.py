"""The door: a new appliance's welcome and password, signing in and out, a house in which everybody signs in."""

from pathlib import Path

from playwright.async_api import expect

from bramble.access import passwords
from bramble.access.book import Book
from tests.conftest import Start
from tests.e2e.conftest import DESKTOP, Visit
from tests.e2e.person import Person
from tests.e2e.test_people import grave

PASSWORD = "correct horse battery"
REFUSED = "Failed to load resource: the server responded with a status of 4"


def claim(folder: Path) -> None:
    """The appliance in this folder gets a password."""
    with Book(folder).change() as contents:
        contents.admin = passwords.hashed(PASSWORD)


async def sign_in(person: Person, name: str, password: str) -> None:
    """Fill in the sheet."""
    await person.page.get_by_label("Name", exact=True).fill(name)
    await person.page.get_by_label("Password").fill(password)
    await person.button("Sign in").click()


async def test_a_new_appliance_welcomes_and_gets_its_password(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        person = await visit(daemon.url, newcomer=True, forgives=REFUSED, loses_link=True)
        sheet = person.page.get_by_role("dialog", name="Welcome to Bramble")
        await expect(sheet.get_by_role("listitem")).to_have_count(3)
        await person.page.get_by_label("Setup code").fill("wrong-guess")
        await person.page.get_by_label("Password", exact=True).fill(PASSWORD)
        await person.button("Set the password").click()
        await expect(sheet).to_contain_text("This is not the setup code.")
        code = await daemon.daemon.keeper.setup_code()
        await person.page.get_by_label("Setup code").fill(code)
        await person.button("Set the password").click()
        await person.ready()
        await expect(sheet).to_be_hidden()
        await person.unfold()
        await person.button("Settings").click()
        await expect(person.page.get_by_text("You are signed in as admin.")).to_be_visible()


async def test_a_welcome_that_was_read_does_not_come_again(chats: Start, visit: Visit) -> None:
    async with chats() as daemon:
        person = await visit(daemon.url, newcomer=True, loses_link=True)
        await person.button("Later").click()
        await person.page.reload()
        await person.ready()
        await expect(person.page.get_by_role("dialog")).to_be_hidden()


async def test_the_admin_signs_in_changes_the_password_and_signs_out(
    chats: Start, visit: Visit, tmp_path: Path
) -> None:
    claim(tmp_path)
    async with chats() as daemon:
        person = await (
            await visit(daemon.url, forgives=REFUSED, loses_link=True, bypass_csp=True, **DESKTOP)
        ).ready()
        await person.button("Settings").click()
        await person.button("Sign in").click()
        await expect(person.page.get_by_label("Name", exact=True)).to_have_value("admin")
        assert await grave(person) == []
        await sign_in(person, "admin", "guess")
        await expect(person.page.get_by_text("Name or password is wrong.")).to_be_visible()
        await sign_in(person, "admin", PASSWORD)
        await person.ready()
        await person.button("Settings").click()
        await person.button("Another password").click()
        await person.page.get_by_label("Your password until now").fill(PASSWORD)
        await person.page.get_by_label("Your new password").fill("another " + PASSWORD)
        await person.button("Save").click()
        await person.ready()
        await person.button("Settings").click()
        await person.button("Sign out").click()
        await person.ready()
        await person.button("Settings").click()
        await expect(person.page.get_by_text("Nobody is signed in here.")).to_be_visible()


async def test_where_everybody_signs_in_the_page_asks_for_it(
    chats: Start, visit: Visit, tmp_path: Path
) -> None:
    claim(tmp_path)
    async with chats(["server.access=private"]) as daemon:
        await daemon.daemon.keeper.add_account("ada", "her " + PASSWORD)
        person = await visit(daemon.url, forgives=REFUSED, loses_link=True)
        await expect(person.page.get_by_role("dialog", name="Sign in")).to_be_visible()
        await expect(person.state).to_have_text("sign in to go on")
        await person.page.keyboard.press("Escape")
        await expect(person.page.get_by_role("dialog", name="Sign in")).to_be_visible()
        await sign_in(person, "ada", "her " + PASSWORD)
        await person.ready()
        await person.ask("Hello!")
        other = await visit(daemon.url, forgives=REFUSED, loses_link=True, **DESKTOP)
        await sign_in(other, "ada", "her " + PASSWORD)
        await other.ready()
        await expect(other.rows).to_have_text(["Hello!"])
        await daemon.daemon.keeper.set_password("ada", "new " + PASSWORD)
        daemon.daemon.keeper.look()
        await expect(person.state).to_have_text("sign in to go on")
