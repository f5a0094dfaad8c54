"""What every engine must do, as a test class.

Needs pytest and pytest-asyncio in auto mode. Subclass `EngineConformance` and give it a fixture `make_queue`: a
function that gives a new `TaskQueue` on one and the same empty store with each call, unopened, for keyword arguments
of `TaskQueue`. What an engine's `caps` lack is skipped; a test may skip nothing else.
"""

from __future__ import annotations

from ._asking import Asking
from ._base import PATIENCE as PATIENCE
from ._base import MakeQueue as MakeQueue
from ._base import needs as needs
from ._base import reaches as reaches
from ._base import until as until
from ._changing import Changing
from ._failing import Failing
from ._fleet import Fleet
from ._limits import Limits
from ._once import Once
from ._running import Running
from ._tasks import Log as Log
from ._tasks import register as register
from ._together import Together

__all__ = ["PATIENCE", "EngineConformance", "Log", "MakeQueue", "needs", "reaches", "register", "until"]


class EngineConformance(Running, Failing, Once, Changing, Together, Limits, Asking, Fleet):
    """The suite. See the module."""
