"""Reverse Routing (url_for)."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

app = Gobstopper(__name__)
user_data = {"name": "Ada"}


def save_user():
    return 123


# spec:
from gobstopper.http import redirect
# Named routes (explicit name)
@app.get('/users/<int:id>', name='user_detail')
async def get_user(request, id):
    return {"user": user_data}
# Automatic naming (uses function name)
@app.get('/dashboard')
async def dashboard(request):
    return {"dashboard": True}
# Build URLs
url = app.url_for('user_detail', id=123) # Returns: '/users/123'
# end
detail_url = url
# spec:
url = app.url_for('dashboard') # Returns: '/dashboard'
# With redirects
@app.post('/users')
async def create_user(request):
    new_id = save_user()
    # Post-Redirect-Get pattern (status 303)
    return redirect(app.url_for('user_detail', id=new_id), status=303)
# end


@app.get("/urls")
async def urls(request):
    return {"user_detail": detail_url, "dashboard": url}
