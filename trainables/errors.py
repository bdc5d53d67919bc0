"""The one exception that means: the input is wrong, and here is how to mend it."""


class InputError(ValueError):
    """Bad input from the user. The message is one sentence naming the field, the value and the remedy.

    Commands print it without a traceback and exit with code 2.
    """
