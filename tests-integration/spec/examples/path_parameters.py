"""Path Parameters."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

app = Gobstopper(__name__)

# spec:
# Single parameter
@app.get("/users/<user_id>")
async def get_user(request, user_id):
    return {"user_id": user_id}
# Multiple parameters
@app.get("/users/<user_id>/posts/<post_id>")
async def get_user_post(request, user_id, post_id):
    return {"user_id": user_id, "post_id": post_id}
# Nested parameters
@app.get("/api/v<version>/users/<user_id>")
async def get_user_versioned(request, version, user_id):
    return {"version": version, "user_id": user_id}
# end
