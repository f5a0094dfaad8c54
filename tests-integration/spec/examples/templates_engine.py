"""Initialization of templates, each call on an application of its own; Rust Component Detection of templates."""
# fmt: off
# mypy: ignore-errors

from gobstopper import Gobstopper
from gobstopper.templates import RustTemplateEngineWrapper

ENGINES = []


class Recording:
    """Gives every `app.init_templates` below an application of its own."""

    def init_templates(self, *args, **options):
        fresh = Gobstopper(__name__)
        try:
            ENGINES.append(fresh.init_templates(*args, **options))
        except ImportError as error:
            ENGINES.append(error)


app = Recording()

# spec:
# Auto-detection (uses Rust if available)
app.init_templates("templates")
# Force specific engine
app.init_templates("templates", use_rust=True) # Rust only
app.init_templates("templates", use_rust=False) # Jinja2 only
# With custom options
app.init_templates(
"templates",
auto_reload=False, # Disable file watching
cache_size=1000, # Larger cache
enable_streaming=True # Rust streaming (if available)
)
# end

app = Gobstopper(__name__)
app.init_templates("templates")

# spec:
# Template engine detection
if isinstance(app.template_engine, RustTemplateEngineWrapper):
    print("🦀 Using Rust template engine")
else:
    print("📄 Using Jinja2 template engine")
# end


@app.get("/")
async def engines(request):
    return [str(one) if isinstance(one, ImportError) else type(one).__name__ for one in ENGINES]
