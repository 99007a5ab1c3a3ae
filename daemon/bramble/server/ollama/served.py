"""The models that answer, as Ollama's clients ask for them. There is one that chats: others are not found."""

from bramble.engine.client import Engine, Phase
from bramble.engine.embedder import Embedder
from bramble.errors import BadRequest, NotFound
from bramble.server.answering import Answering
from bramble.server.naming import Naming
from bramble.server.ollama.facts import Facts

CHATS, THINKS, EMBEDS = ("completion", "tools"), ("thinking",), ("embedding",)


class Served:
    """The chat model and, where one is configured, the one that embeds."""

    def __init__(
        self, answering: Answering, engine: Engine, embedder: Embedder | None, naming: Naming
    ) -> None:
        self._answering, self._engine = answering, engine
        self._embedder, self._naming = embedder, naming

    def models(self) -> list[Facts]:
        """The chat model, then the one that embeds. Raises ModelUnavailable."""
        ready = self._answering.model()
        abilities = (*CHATS, *THINKS) if ready.card.thinks else CHATS
        loaded = self._engine.state.phase is Phase.READY
        models = [Facts(self._naming, ready.name, ready, abilities, is_loaded=loaded)]
        if (other := self._embedder) is not None:
            loaded = other.pid is not None
            facts = Facts(self._naming, other.name, other.model, EMBEDS, is_loaded=loaded)
            models.append(facts)
        return models

    def find(self, asked: str) -> Facts:
        """The one that is meant. Raises NotFound, ModelUnavailable."""
        for facts in self.models():
            if facts.is_called(asked):
                return facts
        raise NotFound(f"model '{asked[:100]}' not found")  # the words that clients look for

    def must_chat(self, asked: str) -> None:
        """Raise NotFound where this is no model that answers, BadRequest where it does not chat."""
        if self.find(asked).capabilities is EMBEDS:
            raise BadRequest(f"{asked} does not support chat.", field="model")

    def must_embed(self, asked: str) -> Embedder:
        """What embeds. Raises NotFound where this is no model that answers, BadRequest where it does not embed."""
        if self.find(asked).capabilities is not EMBEDS or self._embedder is None:
            raise BadRequest(f"{asked} does not support embeddings.", field="model")
        return self._embedder
