"""Generic Route Registration."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

app = Gobstopper(__name__)
resource = {"name": "first"}


async def get_resource():
    return resource


async def create_resource(data):
    return {"created": data}, 201


async def update_resource(data):
    resource.update(data)
    return resource


# spec:
# Multiple methods on same endpoint
@app.route("/api/resource", methods=['GET', 'POST', 'PUT'])
async def handle_resource(request):
    if request.method == 'GET':
        return await get_resource()
    elif request.method == 'POST':
        return await create_resource(await request.json())
    elif request.method == 'PUT':
        return await update_resource(await request.json())
# end
