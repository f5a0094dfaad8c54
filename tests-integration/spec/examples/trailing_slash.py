"""Trailing Slash Policy; the app called `remove` has the other policy, which the comment names."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

app = Gobstopper(__name__)

# spec:
app.slash_policy = "add_slash" # or "remove_slash"
# end

remove = Gobstopper(__name__)
remove.slash_policy = "remove_slash"

neither = Gobstopper(__name__)


@app.get("/with/")
@app.post("/with/")
@remove.get("/with/")
@neither.get("/with/")
async def with_slash(request):
    return {"path": request.path, "method": request.method}


@app.get("/without")
@remove.get("/without")
@remove.post("/without")
@neither.get("/without")
async def without_slash(request):
    return {"path": request.path, "method": request.method}


@app.get("/both")
@app.get("/both/", name="both_slash")
async def both(request):
    return {"path": request.path}
