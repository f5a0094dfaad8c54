"""Exception Handling in Routes."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper, HTTPException

app = Gobstopper(__name__)


class DatabaseError(Exception):
    pass


async def get_user_by_id(user_id):
    if user_id == 13:
        raise DatabaseError("the disk is full")
    return {"id": user_id} if user_id == 1 else None


# spec:
@app.get("/users/<user_id>")
async def get_user(request, user_id):
    try:
        user_id = int(user_id)
        user = await get_user_by_id(user_id)
        if not user:
            raise HTTPException(404, "User not found")
        return {"user": user}
    except ValueError:
        raise HTTPException(400, "Invalid user ID format")
    except DatabaseError as e:
        app.logger.error(f"Database error: {e}")
        raise HTTPException(500, "Database error")
# end
