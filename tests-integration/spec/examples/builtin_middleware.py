"""Adding Middleware: the built-in ones."""
# fmt: off
# mypy: ignore-errors

import tempfile

from gobstopper import Gobstopper

app = Gobstopper(__name__)
app.instance_path = (_instance := tempfile.TemporaryDirectory()).name

# spec:
from gobstopper.middleware.cors import CORSMiddleware
from gobstopper.middleware.security import SecurityMiddleware
# Add middleware with priority (higher numbers execute first)
app.add_middleware(SecurityMiddleware, priority=100)
app.add_middleware(CORSMiddleware, priority=90)
# end


@app.get("/")
async def index(request):
    return {"new": request.session.is_new}
