"""The frames that get one answer: about conversations as a whole (list, search, rename, delete) and about roles."""

from bramble.chat.records import Role
from bramble.chat.turn import Chat
from bramble.server import frames, incoming

Asked = (
    incoming.Conversations
    | incoming.Search
    | incoming.Rename
    | incoming.Delete
    | incoming.ListRoles
    | incoming.SaveRole
    | incoming.DeleteRole
    | incoming.GiveRole
)


async def answer(chat: Chat, owner: str, frame: Asked) -> frames.ToClient:
    """What the asking client is told. Raises NotFound, BadRequest, Answering."""
    match frame:
        case incoming.Conversations(after, limit):
            page = await chat.page(owner, after, limit + 1)
            more = page[limit - 1].conversation if len(page) > limit else None
            return frames.Listed(page[:limit], more)
        case incoming.Search(query):
            return frames.Found(query, await chat.search(owner, query))
        case incoming.Rename(conversation, title):
            await chat.rename(owner, conversation, title)
            return frames.Changed(await chat.summary(owner, conversation))
        case incoming.Delete(conversation):
            await chat.delete(owner, conversation)
            return frames.Deleted(conversation)
        case incoming.ListRoles():
            return frames.Roles(await chat.roles.all(owner))
        case incoming.SaveRole():
            return await _save(chat, owner, frame)
        case incoming.DeleteRole(role):
            await chat.roles.delete(owner, role)
            return frames.RoleDeleted(role)
        case incoming.GiveRole(conversation, role):
            await chat.roles.give(owner, conversation, role)
            return frames.Changed(await chat.summary(owner, conversation))


async def _save(chat: Chat, owner: str, frame: incoming.SaveRole) -> frames.RoleSaved:
    role = Role(frame.id or "", frame.name, frame.prompt, frame.language, frame.settings, own=True)
    if frame.id is None:
        role = await chat.roles.add(owner, role)
    else:
        await chat.roles.change(owner, role)
    return frames.RoleSaved(frame.ref, role)
