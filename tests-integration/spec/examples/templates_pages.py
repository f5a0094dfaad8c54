"""Template Rendering, Template Context Processors, Template Filters and Globals."""
# fmt: off
# mypy: ignore-errors

from datetime import datetime

from gobstopper import Gobstopper

app = Gobstopper(__name__, config={"API_URL": "https://api.example", "DEBUG": False})
app.init_templates("templates")


async def get_users():
    return ["Ada", "<Grace>"]


async def get_statistics():
    return {"visits": 1234}


async def get_large_dataset():
    return range(50_000)


async def count_online_users():
    return 7


async def get_system_status():
    return "fine"


@app.before_request
def authenticate(request):
    request.user = "Ada & Co"


# spec:
@app.get("/")
async def index(request):
    return await app.render_template("index.html",
title="Home Page",
user=request.user)
@app.get("/dashboard")
async def dashboard(request):
    users = await get_users()
    stats = await get_statistics()
    return await app.render_template("dashboard.html",
users=users,
stats=stats,
page_title="Dashboard")
# Streaming for large datasets (Rust only)
@app.get("/report")
async def large_report(request):
    big_data = await get_large_dataset()
    return await app.render_template("report.html",
stream=True,
data=big_data)
# end

# spec:
@app.context_processor
def inject_globals():
    return {
'app_name': 'MyApp',
'current_year': datetime.now().year,
'debug': app.config.get('DEBUG', False)
}
# Async context processor
@app.context_processor
async def inject_user_data():
    return {
'online_users': await count_online_users(),
'system_status': await get_system_status()
}
# end

# spec:
# Custom template filter
@app.template_filter('currency')
def currency_filter(value):
    return f"${value:.2f}"
# Custom template global
@app.template_global('get_config')
def get_config_value(key):
    return app.config.get(key)
# Usage in templates:
# {{ price | currency }}
# {{ get_config('API_URL') }}
# end


@app.get("/price")
async def price(request):
    return await app.render_template("price.html", price=9.5)
