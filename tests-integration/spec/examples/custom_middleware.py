"""Adding Middleware: the custom one."""
# fmt: off
# mypy: ignore-errors

import time

from gobstopper import Gobstopper

app = Gobstopper(__name__)

# spec:
# Custom middleware
async def logging_middleware(request, next_handler):
    start_time = time.time()
    response = await next_handler(request)
    duration = time.time() - start_time
    app.logger.info(f"Request {request.path} took {duration:.3f}s")
    return response
app.add_middleware(logging_middleware, priority=50)
# end


def marking(letter):
    async def middleware(request, next_handler):
        request.trail = [*getattr(request, "trail", []), letter]
        response = await next_handler(request)
        response.headers["x-outward"] = response.headers.get("x-outward", "") + letter
        return response

    return middleware


# "higher numbers execute first"
app.add_middleware(marking("c"))
app.add_middleware(marking("a"), priority=100)
app.add_middleware(marking("b"), priority=90)
app.add_middleware(marking("d"))


@app.get("/trail")
async def trail(request):
    return request.trail


@app.get("/fails")
async def fails(request):
    raise LookupError("nothing here")
