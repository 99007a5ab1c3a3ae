"""The frames about conversations as a whole: list, search, rename, delete."""

from bramble.chat.turn import Chat
from bramble.server import frames

Asked = frames.Conversations | frames.Search | frames.Rename | frames.Delete


async def answer(chat: Chat, owner: str, frame: Asked) -> frames.ToClient:
    """What the asking client is told. Raises NotFound, BadRequest, Answering."""
    match frame:
        case frames.Conversations(after, limit):
            page = await chat.page(owner, after, limit + 1)
            more = page[limit - 1].conversation if len(page) > limit else None
            return frames.Listed(page[:limit], more)
        case frames.Search(query):
            return frames.Found(query, await chat.search(owner, query))
        case frames.Rename(conversation, title):
            await chat.rename(owner, conversation, title)
            return frames.Changed(await chat.summary(owner, conversation))
        case frames.Delete(conversation):
            await chat.delete(owner, conversation)
            return frames.Deleted(conversation)
