"""Complete Application Example."""
# fmt: off
# mypy: ignore-errors

import asyncio
import os
import tempfile

from gobstopper import HTTPException

# The defaults write below the application's root: here that would be the repository.
_instance = tempfile.TemporaryDirectory()


async def get_user_by_id(user_id):
    return {"id": user_id} if user_id == 7 else None


async def get_live_data():
    return {"live": True}


# spec:
from gobstopper import Gobstopper, Request
from gobstopper.middleware.cors import CORSMiddleware
from gobstopper.middleware.security import SecurityMiddleware
from gobstopper.tasks.queue import TaskPriority
# Initialize application
app = Gobstopper(__name__)
# end

app.instance_path = _instance.name

# spec:
# Initialize template engine (auto-detects Rust)
app.init_templates("templates/")
# Add middleware
app.add_middleware(SecurityMiddleware, priority=100)
app.add_middleware(CORSMiddleware, priority=90)
# Global template context
@app.context_processor
def inject_globals():
    return {
'app_name': 'Gobstopper Demo',
'version': '1.0.0'
}
# Background task
@app.task("send_notification", category="notifications")
async def send_notification(user_id: int, message: str):
    # Notification logic
    return {"status": "sent", "user_id": user_id}
# HTTP routes
@app.get("/")
async def index(request: Request):
    return await app.render_template("index.html",
title="Gobstopper Application")
@app.get("/api/users/<user_id>")
async def get_user(request: Request, user_id: str):
    user = await get_user_by_id(int(user_id))
    if not user:
        raise HTTPException(404, "User not found")
    return {"user": user}
@app.post("/api/notify")
async def queue_notification(request: Request):
    data = await request.json()
    task_id = await app.add_background_task(
"send_notification",
priority=TaskPriority.HIGH,
user_id=data["user_id"],
message=data["message"]
)
    return {"task_id": task_id}
# WebSocket endpoint
@app.websocket("/ws/live")
async def live_updates(websocket):
    await websocket.accept()
    while True:
        # Send live updates
        data = await get_live_data()
        await websocket.send_json(data)
        await asyncio.sleep(1)
# Error handlers
@app.error_handler(404)
async def not_found(request, error):
    return await app.render_template("404.html"), 404
# Startup initialization
@app.on_startup
async def initialize():
    await app.start_task_workers("notifications", worker_count=2)
    app.logger.info("🚀 Gobstopper application started")
# Run with: granian --interface rsgi app:app
# end


@app.get("/results/<task_id>", name="result")
async def result(request, task_id):
    return await app.task_queue.result(task_id, timeout=10)
