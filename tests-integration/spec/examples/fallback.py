"""Rust Component Detection, as far as routing goes; Fallback Behavior."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper

from spec.templates import presume_templates

app = Gobstopper(__name__)
presume_templates(app)

# spec:
# Check what components are available
if app.rust_router_available:
    print("✅ Using Rust router for high performance")
else:
    print("⚠️ Using Python router (fallback)")
# end

# spec:
# Application code remains identical regardless of backend
@app.get("/api/users/<user_id>")
async def get_user(request, user_id):
    # Works with both Rust and Python routers
    return {"user_id": user_id}
# Template rendering works with both engines
@app.get("/")
async def index(request):
    # Uses Rust or Jinja2 transparently
    return await app.render_template("index.html")
# end
