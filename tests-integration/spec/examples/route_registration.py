"""Constructor; Route Registration."""
# fmt: off
# mypy: ignore-errors

# spec:
from gobstopper import Gobstopper
app = Gobstopper(name=__name__)
# end

# spec:
@app.get("/")
async def index(request):
    return {"message": "Hello World"}
@app.post("/users")
async def create_user(request):
    data = await request.json()
    return {"user": data}
@app.put("/users/<user_id>")
async def update_user(request, user_id):
    data = await request.json()
    return {"user_id": user_id, "updated": True}
@app.delete("/users/<user_id>")
async def delete_user(request, user_id):
    return {"deleted": user_id}
# end


# The table of methods names no code for these two.
@app.patch("/users/<user_id>")
async def patch_user(request, user_id):
    return {"patched": user_id}


@app.options("/users/<user_id>")
async def user_options(request, user_id):
    return {"options": user_id}
