"""Before Request Handlers; After Request Handlers."""
# fmt: off
# mypy: ignore-errors

import time

from gobstopper import Gobstopper

app = Gobstopper(__name__)


async def verify_token(token):
    return {"name": "Ada"} if token == "Bearer good" else None


# spec:
@app.before_request
async def authenticate_user(request):
    # Authentication logic
    token = request.headers.get("Authorization")
    if token:
        user = await verify_token(token)
        request.user = user
@app.before_request
def add_request_timestamp(request):
    request.start_time = time.time()
# end
# spec:
@app.after_request
async def add_security_headers(request, response):
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    return response
@app.after_request
def log_request_duration(request, response):
    if hasattr(request, 'start_time'):
        duration = time.time() - request.start_time
        app.logger.info(f"Request completed in {duration:.3f}s")
    return response
# end


@app.get("/me")
async def me(request):
    return {"user": getattr(request, "user", None), "timed": request.start_time <= time.time()}


@app.get("/fails")
async def fails(request):
    raise LookupError("nothing here")
