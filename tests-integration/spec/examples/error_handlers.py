"""Custom Error Handlers."""
# fmt: off
# mypy: ignore-errors

import os

from gobstopper import Gobstopper, JSONResponse, abort

from spec.templates import presume_templates

app = Gobstopper(__name__, config={"DEBUG": os.environ.get("EXAMPLE_DEBUG") == "1"})
presume_templates(app)

# spec:
@app.error_handler(404)
async def not_found(request, error):
    return await app.render_template("errors/404.html",
path=request.path), 404
@app.error_handler(500)
async def internal_error(request, error):
    app.logger.error(f"Internal error: {error}", exc_info=True)
    if app.config.get('DEBUG'):
        return JSONResponse({"error": str(error)}, status=500)
    else:
        return await app.render_template("errors/500.html"), 500
@app.error_handler(403)
async def forbidden(request, error):
    return JSONResponse({"error": "Access denied"}, status=403)
# end


@app.get("/fails")
async def fails(request):
    raise LookupError("the inside")


@app.get("/private")
async def private(request):
    abort(403)
