"""What `app:app` names in the command lines of the specification."""

import os

from gobstopper import Gobstopper

app = Gobstopper(__name__)


@app.get("/")
async def index(request):  # type: ignore[no-untyped-def]
    return {"pid": os.getpid(), "text": "first"}
