"""The corpus: reads the cases, and renders one with a given environment class into something comparable."""

import asyncio
import gettext
import logging
import random
import tomllib
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import jinja2.nativetypes
import jinja2.sandbox

import corpus_objects

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Case:
    id: str
    source: str
    name: str = "main.html"
    files: dict = field(default_factory=dict)
    context: dict = field(default_factory=dict)
    env: dict = field(default_factory=dict)
    error: str = ""
    async_only: bool = False
    sync_only: bool = False
    engine: bool = True

    @property
    def variables(self):
        return {**corpus_objects.OBJECTS, **self.context}

    def __str__(self):
        return self.id


def load():
    cases = []
    for path in sorted(FOLDER.glob("*.toml")):
        with path.open("rb") as file:
            data = tomllib.load(file)
        shared = {"files": data.get("files", {}), "context": data.get("context", {})}
        cases += [Case(f"{path.stem}-{key}", source, **shared) for key, source in data.get("simple", {}).items()]
        errors = data.get("errors", {}).items()
        cases += [Case(f"{path.stem}-{key}", source, error=error, **shared) for key, (source, error) in errors]
        for one in data.get("case", []):
            keys = {**shared, **one, "id": f"{path.stem}-{one['id']}"}
            cases.append(Case(**keys))
    return cases


CASES = load()


def loader_for(case, kind, tmp_path):
    """The case's files by the kind of loader it asks for. Files have made-up names, so that tracebacks compare."""
    files = {**case.files, case.name.removeprefix("app/"): case.source}
    loader = jinja2.FunctionLoader(lambda name: (files[name], f"/corpus/{name}", None) if name in files else None)
    if kind == "choice":
        return jinja2.ChoiceLoader([jinja2.DictLoader({}), loader])
    if kind == "prefix":
        return jinja2.PrefixLoader({"app": loader})
    if kind == "folder":
        for name, source in files.items():
            (tmp_path / name).write_text(source)
        return jinja2.FileSystemLoader(tmp_path)
    return loader


def options_for(case, tmp_path, **overrides):
    """What the case asks of an environment, as constructor arguments and the rest."""
    env = {**case.env, **overrides}
    rest = {key: env.pop(key) for key in ("i18n", "policies", "sandbox", "native") if key in env}
    env["loader"] = loader_for(case, env.pop("loader", None), tmp_path)
    if env.get("undefined") == "LoggingUndefined":
        logger = logging.getLogger("corpus")
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
        env["undefined"] = jinja2.make_logging_undefined(logger)
    elif isinstance(env.get("undefined"), str):
        env["undefined"] = getattr(jinja2, env["undefined"])
    if "finalize" in env:
        env["finalize"] = corpus_objects.FINALIZERS[env["finalize"]]
    if env.get("autoescape") == "select":
        env["autoescape"] = jinja2.select_autoescape()
    if "bytecode_cache" in env:
        env["bytecode_cache"] = jinja2.FileSystemBytecodeCache(str(tmp_path))
    return env, rest


def environment_class(family, rest):
    """`family` is `jinja2` or our package; both have the same names, ours at the top level too."""
    if rest.get("native"):
        return family.nativetypes.NativeEnvironment
    return getattr(family.sandbox, rest["sandbox"]) if "sandbox" in rest else family.Environment


def prepare(environment, rest):
    environment.filters.update(corpus_objects.FILTERS)
    environment.tests.update(corpus_objects.TESTS)
    environment.policies.update(rest.get("policies", {}))
    if "i18n" in rest:
        environment.install_gettext_translations(gettext.NullTranslations(), newstyle=rest["i18n"] == "new")
    return environment


def outcome(action):
    """What the action gives, or what it raises and where in the templates."""
    random.seed(0)
    try:
        value = action()
    except Exception as error:
        if isinstance(error, RecursionError):  # where exactly is up to the depth of the stack it began on
            return ("error", type(error).__name__)
        places = [
            (frame.filename, frame.name, frame.lineno)
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename.startswith("/corpus/") or frame.filename in {"<template>", "<unknown>"}
        ]
        syntax = [getattr(error, key, None) for key in ("name", "filename", "lineno", "source", "message")]
        return ("error", type(error).__name__, str(error), syntax, places)
    return ("value", type(value).__name__, repr(value))


def rendered(environment, case):
    def action():
        template = environment.get_template(case.name)
        if environment.is_async:
            return asyncio.run(template.render_async(case.variables))
        return template.render(case.variables)

    return outcome(action)


def generated(environment, case):
    def action():
        template = environment.get_template(case.name)
        if environment.is_async:

            async def collect():
                return [piece async for piece in template.generate_async(case.variables)]

            return asyncio.run(collect())
        return list(template.generate(case.variables))

    return outcome(action)


def module_of(environment, case):
    def action():
        module = environment.get_template(case.name).make_module(case.variables)
        return str(module), sorted(name for name in vars(module) if not name.startswith("_"))

    return outcome(action)
