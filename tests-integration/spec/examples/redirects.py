"""Reverse Routing (url_for), Redirect Status Codes."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper
from gobstopper.http import redirect

app = Gobstopper(__name__)


@app.get("/done")
async def success(request):
    return "done"


@app.route("/302", methods=["GET", "POST"])
async def found(request):
# spec:
    # 302 - Temporary redirect (default)
    return redirect('/new-page')
# end


@app.route("/301", methods=["GET", "POST"])
async def moved(request):
# spec:
    # 301 - Permanent redirect (cached by browsers)
    return redirect('/new-location', status=301)
# end


@app.route("/303", methods=["GET", "POST"])
async def see_other(request):
# spec:
    # 303 - See Other (POST → GET, recommended for form submissions)
    return redirect(app.url_for('success'), status=303)
# end


@app.route("/307", methods=["GET", "POST"])
async def temporary(request):
# spec:
    # 307 - Temporary redirect (preserves HTTP method)
    return redirect('/new-endpoint', status=307)
# end


@app.route("/308", methods=["GET", "POST"])
async def permanent(request):
# spec:
    # 308 - Permanent redirect (preserves HTTP method)
    return redirect('/new-endpoint', status=308)
# end


@app.route("/new-endpoint", methods=["GET", "POST"])
async def new_endpoint(request):
    return {"method": request.method}
