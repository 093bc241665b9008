"""The context of a language model: how many tokens a prompt and its answer may have together."""

from __future__ import annotations

from mlrepo.errors import UserError


def refuse_too_long(name: str, prompt: int, answer: int, context: int, whose: str) -> None:
    """Raise :class:`UserError` if a sample's prompt and answer, in tokens, do not fit.

    Parameters
    ----------
    answer:
        The longest that is asked for.
    context:
        0 if it is not known.
    whose:
        Who has this context, for the message: ``the model``.
    """
    if context and prompt + answer > context:
        raise UserError(
            f"The sample {name} does not fit {whose}: its prompt has {prompt} tokens, its answer "
            f"up to {answer}, and the context of {whose} is {context} tokens.",
            hint="Use a model with a longer context.",
        )
