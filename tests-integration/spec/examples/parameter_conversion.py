"""Path Parameters, Parameter Conversion."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

app = Gobstopper(__name__)


async def get_user_by_id(user_id):
    return {"id": user_id, "next": user_id + 1}


# spec:
@app.get("/users/<user_id>")
async def get_user(request, user_id):
    user_id = int(user_id) # Manual conversion
    user = await get_user_by_id(user_id)
    return {"user": user}
# end
