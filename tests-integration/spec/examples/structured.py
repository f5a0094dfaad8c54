"""Application Structure; the modules that it imports are the packages beside this file."""
# fmt: off
# mypy: ignore-errors

# spec:
# Organize large applications
from gobstopper import Gobstopper
from .routes import auth, api, admin
from .middleware import setup_middleware
from .tasks import register_tasks
def create_app():
    app = Gobstopper(__name__)
    # Initialize components
    app.init_templates("templates/")
    setup_middleware(app)
    register_tasks(app)
    # Register blueprints/routes
    auth.register_routes(app)
    api.register_routes(app)
    admin.register_routes(app)
    return app
app = create_app()
# end
