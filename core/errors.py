"""Errors whose message is one sentence that a user can act on.

Pages and the CLI catch :class:`PerturbScopeError` and show its text; anything else is a bug
and goes to the log.
"""

from __future__ import annotations


class PerturbScopeError(Exception):
    """Base of all errors that are the user's to read: one sentence, what is wrong and where."""


class SettingsError(PerturbScopeError):
    """A setting from the environment or ``.env`` is not usable."""


class DataError(PerturbScopeError):
    """A table or file does not hold what it must."""


class FetchError(PerturbScopeError):
    """A download failed, was cut short, or does not match its checksum."""


class ConfigError(PerturbScopeError):
    """A study's configuration is invalid."""


class RunError(PerturbScopeError):
    """A run does not exist or cannot do what was asked of it."""


class CancelledError(PerturbScopeError):
    """The user cancelled; what was finished has been kept."""
