"""Task Registration, Queueing Tasks, Starting Task Workers."""
# fmt: off
# mypy: ignore-errors

import os

from gobstopper import Gobstopper

app = Gobstopper(__name__, tasks=os.environ.get("EXAMPLE_TASKS"))


class mail_service:
    async def send(to, subject, body):
        assert (subject, body) == ("Hello", "World")


class image_processor:
    async def process(path):
        return f"{path}.small"


async def complex_report_generation(user_id, report_type):
    return {"id": f"{user_id}-{report_type}"}


# spec:
@app.task("send_email", category="notifications")
async def send_email(to: str, subject: str, body: str):
    # Send email logic
    await mail_service.send(to, subject, body)
    return {"status": "sent", "to": to}
@app.task("process_image", category="media")
async def process_image(image_path: str):
    # Image processing logic
    processed_path = await image_processor.process(image_path)
    return {"original": image_path, "processed": processed_path}
@app.task("generate_report", category="reports")
async def generate_report(user_id: int, report_type: str):
    # Long-running report generation
    report_data = await complex_report_generation(user_id, report_type)
    return {"report_id": report_data["id"], "status": "completed"}
# end

# spec:
from gobstopper.tasks.queue import TaskPriority
@app.post("/send-email")
async def queue_email(request):
    data = await request.json()
    task_id = await app.add_background_task(
"send_email",
category="notifications",
priority=TaskPriority.HIGH,
max_retries=3,
to=data["email"],
subject=data["subject"],
body=data["message"]
)
    return {"task_id": task_id}
@app.get("/tasks/<task_id>")
async def get_task_status(request, task_id):
    status = await app.task_queue.get_task_status(task_id)
    return {"task_id": task_id, "status": status}
# end

# spec:
@app.on_startup
async def start_background_workers():
    # Start workers for different categories
    await app.start_task_workers("notifications", worker_count=3)
    await app.start_task_workers("media", worker_count=2)
    await app.start_task_workers("reports", worker_count=1)
# end


@app.post("/add/<name>")
async def add(request, name):
    return {"task_id": await app.add_background_task(name, **await request.json())}


@app.get("/results/<task_id>")
async def result(request, task_id):
    return {"result": await app.task_queue.result(task_id, timeout=10), "pid": os.getpid()}
