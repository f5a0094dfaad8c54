"""The bag of attributes that travels with a request, a WebSocket or the application."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any


class State:
    """Holds whatever is set on it, as attributes and as items; subclass it with annotations to have it typed.

    ```python
    class MyState(State):
        user: User

    request.state.user = user
    request.state["user"] is request.state.user
    ```
    """

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...
        def __delattr__(self, name: str) -> None: ...

    else:

        def __getattr__(self, name):
            known = ", ".join(sorted(self.__dict__)) or "nothing"
            raise AttributeError(f"state has no {name!r}; set so far: {known}", name=name, obj=self)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        del self.__dict__[name]

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def get(self, name: str, default: Any = None) -> Any:
        """Return what is set under the name, or the default."""
        return self.__dict__.get(name, default)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, State) else NotImplemented

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"
