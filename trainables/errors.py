"""The one exception that means: the input is wrong, and here is how to mend it; and errors as reasons."""


class InputError(ValueError):
    """Bad input from the user. The message is one sentence naming the field, the value and the remedy.

    Commands print it without a traceback and exit with code 2.
    """


def reason_of(error: Exception) -> str:
    """Why something was left out, in words: the sentence of bad input, else the error with its type."""
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
