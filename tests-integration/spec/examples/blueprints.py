"""Reverse Routing (url_for), Blueprint Routes."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper
from gobstopper.http import redirect

app = Gobstopper(__name__)


def render_template(name):
    return f"<h1>{name}</h1>"


# spec:
from gobstopper.core.blueprint import Blueprint
admin = Blueprint('admin', __name__)
@admin.get('/login')
async def login(request):
    return render_template('admin/login.html')
@admin.get('/dashboard')
async def dashboard(request):
    return render_template('admin/dashboard.html')
app.register_blueprint(admin, url_prefix='/admin')
# Use blueprint-qualified names
app.url_for('admin.login') # Returns: '/admin/login'
app.url_for('admin.dashboard') # Returns: '/admin/dashboard'
# In route handlers
@app.get('/')
async def index(request):
    return redirect(app.url_for('admin.login'))
# end


@app.get("/urls")
async def urls(request):
    return [app.url_for("admin.login"), app.url_for("admin.dashboard")]
