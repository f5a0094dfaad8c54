"""What can go wrong with patterns, routes, blueprints and URL building."""


class RoutingError(Exception):
    """Base of every error of this package. Each message names the place, the cause and the fix."""


class PatternError(RoutingError, ValueError):
    """A pattern that cannot be read.

    ``pattern`` is its text, ``column`` the 1-based place of the first wrong character.
    """

    def __init__(self, pattern: str, column: int, message: str) -> None:
        super().__init__(f"pattern {pattern!r}, column {column}: {message}")
        self.pattern = pattern
        self.column = column


class ConverterError(RoutingError, ValueError):
    """A converter that is unknown, is built with wrong arguments, or lacks something it must have."""


class RouteError(RoutingError, ValueError):
    """A route whose methods, name or handler make no sense."""


class SignatureError(RouteError, TypeError):
    """A handler or hook whose parameters do not fit what it will be called with."""


class BlueprintError(RoutingError, ValueError):
    """A blueprint with a wrong name or prefix, registered twice under one name, or into itself."""


class BuildError(RoutingError, LookupError):
    """A URL that cannot be built: unknown name, missing value, or a value that would not match back.

    ``name`` is the route asked for, ``suggestions`` the nearest names there are.
    """

    def __init__(self, name: str, message: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.suggestions = suggestions

    def __str__(self) -> str:
        # LookupError's str() is the message as it is, KeyError's would be its repr.
        return str(self.args[0])
