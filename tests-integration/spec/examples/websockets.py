"""WebSocket Support."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

app = Gobstopper(__name__)
rooms = {}
left = []


async def join_room(websocket, room_id):
    rooms.setdefault(room_id, set()).add(websocket)


async def broadcast_to_room(room_id, message):
    for member in rooms[room_id]:
        await member.send_text(message)


async def leave_room(websocket, room_id):
    rooms[room_id].discard(websocket)
    left.append(room_id)


# spec:
@app.websocket("/ws/echo")
async def websocket_echo(websocket):
    await websocket.accept()
    while True:
        message = await websocket.receive_text()
        await websocket.send_text(f"Echo: {message}")
@app.websocket("/ws/chat/<room_id>")
async def chat_room(websocket, room_id):
    await websocket.accept()
    # Join room logic
    await join_room(websocket, room_id)
    try:
        while True:
            message = await websocket.receive_text()
            await broadcast_to_room(room_id, message)
    finally:
        await leave_room(websocket, room_id)
# end


@app.get("/rooms")
async def members(request):
    return {"members": {room: len(sockets) for room, sockets in rooms.items()}, "left": left}
