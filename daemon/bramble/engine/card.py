"""What a loaded model's file says of itself, for clients that ask for it."""

from bramble.engine.llama import Model
from bramble.engine.question import Card


def card_of(model: Model, file: str, template: str) -> Card:
    """The card; `template` is the one that is used where the file has none."""
    return Card(
        file=file,
        template=model.chat_template() or template,
        bos=model.bos,
        eos=model.eos,
        vocabulary=model.vocab_size,
        width=model.width,
        metadata=model.metadata(),
    )
