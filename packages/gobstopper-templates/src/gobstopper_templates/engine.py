"""Templates for an app: folders, context processors, blocks, streams and safe defaults on top of Jinja2."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias, Unpack, cast, overload

import jinja2
from jinja2.ext import Extension
from jinja2.utils import LRUCache

from ._blocks import block_of, block_of_async
from ._bounds import BoundedRange, autoescape_by_name
from ._contract import Renderer
from ._environment import EngineEnvironment, SandboxedEngineEnvironment
from ._impl import choose
from ._variables import variables, variables_sync
from .loader import SearchPath, Source, make_loaders
from .options import JinjaOptions, bytecode_cache_in
from .registry import ContextProcessor, TemplateRegistry
from .streaming import CHUNK_SIZE, RenderStream

__all__ = ["EngineChoice", "TemplateEngine", "TemplateName"]

#: One name, several of which the first that exists is taken, or a template.
TemplateName: TypeAlias = "str | jinja2.Template | Sequence[str | jinja2.Template]"

_STRINGS = 100  # compiled strings kept
_STRING = 10_000  # characters of a string that is kept


class EngineChoice(NamedTuple):
    """Which engine renders a template, `jinja2` or `rust`, and why."""

    engine: Literal["jinja2", "rust"]
    reason: str


class TemplateEngine:
    """Renders templates from folders or loaders.

    `source`: a folder, a Jinja2 loader, or a list of them, asked in order; more can be added later. Folders need not
    exist yet.

    `use_rust`: `None` takes the wheel if it is installed, `True` raises `ImportError` without it, `False` is Jinja2.
    With the wheel, the instance is a `RustTemplateEngineWrapper`.

    `debug`: a flag, or a function asked at each render. In debug, undefined names are errors (`StrictUndefined`) and
    changed files are noticed. `auto_reload` and `undefined` override either, in and out of debug.

    `cache_size`: compiled templates kept (least recently used go first); 0 keeps none, -1 all.

    `enable_streaming=False` makes `stream=True` give the whole page as one chunk. `chunk_size`: characters.

    `enable_async`: templates may call async functions and loop over async iterators; all of them then cost about
    twice as much. Without it, a coroutine that reaches the output is a `TemplateRuntimeError`.

    `sandboxed`: for templates whose author is not trusted (`ImmutableSandboxedEnvironment`).

    `autoescape`: by default everything is escaped but plain text (`PLAIN_TEXT`); see `autoescape_by_name`.

    `max_depth`: how many templates may include, extend or import one another (`RecursionError`). `max_range`: items
    of a `range` in a template (`OverflowError`). `follow_links`: whether links in folders may lead out of them.

    `bytecode_cache`: a folder for compiled templates that outlives the process, or a Jinja2 cache.

    `registry`: what was registered before there was an engine; it stays connected. Further keywords are Jinja2's
    (`JinjaOptions`).
    """

    engine_name: ClassVar[Literal["jinja2", "rust"]] = "jinja2"
    #: The class of the instances that use the wheel; `rust.py` sets it.
    with_wheel: ClassVar[type[TemplateEngine] | None] = None

    def __new__(cls, *_args: Any, use_rust: bool | None = None, **_options: Any) -> Self:
        """Give a `RustTemplateEngineWrapper` when the wheel is to be used."""
        if cls is TemplateEngine and cls.with_wheel is not None and choose(use_rust) is not None:
            return cast("Self", object.__new__(cls.with_wheel))
        return object.__new__(cls)

    def __init__(
        self,
        source: Source | Iterable[Source] | None = None,
        *,
        use_rust: bool | None = None,
        auto_reload: bool | None = None,
        cache_size: int = 400,
        enable_streaming: bool = True,
        enable_async: bool = False,
        debug: bool | Callable[[], bool] = False,
        sandboxed: bool = False,
        autoescape: bool | Callable[[str | None], bool] = autoescape_by_name,
        undefined: type[jinja2.Undefined] | None = None,
        max_depth: int = 100,
        max_range: int = 100_000,
        follow_links: bool = True,
        chunk_size: int = CHUNK_SIZE,
        bytecode_cache: str | os.PathLike[str] | jinja2.BytecodeCache | None = None,
        registry: TemplateRegistry | None = None,
        **options: Unpack[JinjaOptions],
    ) -> None:
        if max_depth < 1 or max_range < 0 or chunk_size < 1 or cache_size < -1:
            raise ValueError("max_depth and chunk_size are at least 1, max_range at least 0, cache_size at least -1")
        if use_rust:
            choose(True)  # without the wheel, say so now
        self._debug = debug
        self._auto_reload = auto_reload
        self._undefined = undefined
        self._follow_links = follow_links
        self.enable_streaming = enable_streaming
        self.chunk_size = chunk_size
        self.registry = TemplateRegistry() if registry is None else registry
        self._search_path = SearchPath(make_loaders(source, follow_links))
        #: Where templates are looked for, in order, and the name of the blueprint that brought it, if one did.
        self.sources: list[tuple[str | None, jinja2.BaseLoader]] = [(None, one) for one in self._search_path.loaders]
        if isinstance(bytecode_cache, str | os.PathLike):
            shape = {**options, "autoescape": autoescape, "is_async": enable_async, "sandboxed": sandboxed}
            bytecode_cache = bytecode_cache_in(bytecode_cache, shape)
        environment_class = SandboxedEngineEnvironment if sandboxed else EngineEnvironment
        self._environment = environment_class(
            **options,
            autoescape=autoescape,
            loader=self._search_path,
            cache_size=cache_size,
            auto_reload=bool(auto_reload),
            undefined=undefined or jinja2.Undefined,
            bytecode_cache=bytecode_cache,
            enable_async=enable_async,
        )
        self._environment.max_depth = max_depth
        self._environment.globals["range"] = BoundedRange(max_range)
        self._environment.preludes = LRUCache(max(cache_size, 1) if cache_size >= 0 else 400)
        self._debug_environment: EngineEnvironment | None = None
        self._strings = LRUCache(_STRINGS)
        self._environment.filters.update(self.registry.filters)
        self._environment.tests.update(self.registry.tests)
        self._environment.globals.update(self.registry.globals)
        self.registry.follow(self)

    @property
    def debug(self) -> bool:
        """Whether the next render is a debug one."""
        return bool(self._debug() if callable(self._debug) else self._debug)

    @property
    def enable_async(self) -> bool:
        """Whether templates may await."""
        return self._environment.is_async

    @property
    def base_environment(self) -> EngineEnvironment:
        """The Jinja2 environment outside of debug; in debug an overlay of it is used."""
        return self._environment

    @property
    def environment(self) -> EngineEnvironment:
        """The Jinja2 environment of the next render. Filters, tests and globals are the same in and out of debug."""
        if not self.debug:
            return self._environment
        if self._debug_environment is None:
            environment = self._environment.overlay(
                undefined=self._undefined or jinja2.StrictUndefined,
                auto_reload=True if self._auto_reload is None else self._auto_reload,
            )
            environment.suggest_names = True
            environment.preludes = LRUCache(self._environment.preludes.capacity)
            self._debug_environment = environment
        return self._debug_environment

    # -- what templates can use

    def add_folder(self, source: Source | Iterable[Source], blueprint: str | None = None) -> None:
        """Look for templates here too, after all that was added before: an app's own win over its blueprints'.

        `blueprint` is the name of the blueprint that brings the folder, for whoever inspects `sources`; the names
        of templates are shared by all, so a blueprint best keeps its own in a folder of its name.
        """
        loaders = make_loaders(source, self._follow_links)
        self._search_path.loaders.extend(loaders)
        self.sources += [(blueprint, loader) for loader in loaders]
        self._forget()

    def add_package(self, package: str, folder: str = "templates") -> None:
        """Look for templates in a folder of an installed package; `ValueError` if it has none."""
        self.add_folder(jinja2.PackageLoader(package, folder))

    def add_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Register a filter; see `TemplateRegistry.add_filter`."""
        self.registry.add_filter(name, function)

    def add_test(self, name: str, function: Callable[..., Any]) -> None:
        """Register a test; see `TemplateRegistry.add_test`."""
        self.registry.add_test(name, function)

    def add_global(self, name: str, value: Any) -> None:
        """Register a global; see `TemplateRegistry.add_global`."""
        self.registry.add_global(name, value)

    def add_context_processor(self, function: ContextProcessor, blueprint: str | None = None) -> None:
        """Register a context processor; see `TemplateRegistry.add_context_processor`."""
        self.registry.add_context_processor(function, blueprint)

    def add_extension(self, extension: str | type[Extension]) -> None:
        """Add a Jinja2 extension; what is already compiled is compiled again."""
        self._environment.add_extension(extension)
        self._forget()

    def registered(self, kind: str, name: str, value: Any) -> None:
        """Follow the registry."""
        known: dict[str, Any] = getattr(self._environment, kind + "s")
        known[name] = value
        if kind != "global":  # compiled code knows whether a filter wants the context, and folds constants
            self._forget()

    def _forget(self) -> None:
        """Drop everything compiled; the debug environment is made anew when it is needed."""
        self._debug_environment = None
        if self._environment.cache is not None:
            self._environment.cache.clear()
        self._environment.preludes.clear()
        self._strings.clear()

    # -- rendering

    @overload
    async def render_template(
        self,
        name: TemplateName,
        /,
        context: Mapping[str, Any] | None = ...,
        *,
        blueprints: Sequence[str] = ...,
        stream: Literal[False] = ...,
    ) -> str: ...

    @overload
    async def render_template(
        self,
        name: TemplateName,
        /,
        context: Mapping[str, Any] | None = ...,
        *,
        blueprints: Sequence[str] = ...,
        stream: Literal[True],
    ) -> RenderStream: ...

    @overload
    async def render_template(
        self,
        name: TemplateName,
        /,
        context: Mapping[str, Any] | None = ...,
        *,
        blueprints: Sequence[str] = ...,
        stream: bool,
    ) -> str | RenderStream: ...

    async def render_template(
        self,
        name: TemplateName,
        /,
        context: Mapping[str, Any] | None = None,
        *,
        blueprints: Sequence[str] = (),
        stream: bool = False,
    ) -> str | RenderStream:
        """Render the template `name`; the first that exists, if several names are given.

        `context` holds the variables; they win over the context processors of the app and of `blueprints` (outermost
        first). With `stream=True` the result is an async iterator of chunks, the first of which is made already:
        what fails early fails here. Raises Jinja2's exceptions (`TemplateNotFound`, `TemplateSyntaxError`,
        `UndefinedError` …) and whatever the template's functions raise, unchanged, with a note (`template_trace`).
        """
        template = self._template(name)
        found = await variables(self.registry, context, blueprints)
        return await self._render(template, found, stream)

    async def render_string(
        self, source: str, /, context: Mapping[str, Any] | None = None, *, blueprints: Sequence[str] = ()
    ) -> str:
        """Render `source` itself; it is escaped as HTML, and may extend and include the templates of the folders."""
        template = self._from_string(source)
        found = await variables(self.registry, context, blueprints)
        return cast("str", await self._render(template, found, False))

    async def render_block(
        self,
        name: TemplateName,
        block: str,
        /,
        context: Mapping[str, Any] | None = None,
        *,
        blueprints: Sequence[str] = (),
    ) -> str:
        """Render one block of a page, its own or inherited, and nothing around it.

        What the template and its parents set, import and define at their top level is known in the block; what they
        print there is not evaluated. `BlockNotFoundError` names the blocks there are.
        """
        prelude = self._prelude(name)
        found = await variables(self.registry, context, blueprints)
        return await block_of_async(prelude, block, found) if self.enable_async else block_of(prelude, block, found)

    def render_template_sync(
        self, name: TemplateName, /, context: Mapping[str, Any] | None = None, *, blueprints: Sequence[str] = ()
    ) -> str:
        """As `render_template`, for code that cannot await.

        Raises `RuntimeError` if a context processor is async, and with `enable_async` inside of an event loop.
        """
        self._refuse_loop("render_template")
        template = self._template(name)
        return self._renderer(template).render(variables_sync(self.registry, context, blueprints))

    def render_string_sync(
        self, source: str, /, context: Mapping[str, Any] | None = None, *, blueprints: Sequence[str] = ()
    ) -> str:
        """As `render_string`, for code that cannot await; raises `RuntimeError` as `render_template_sync` does."""
        self._refuse_loop("render_string")
        template = self._from_string(source)
        return template.render(variables_sync(self.registry, context, blueprints))

    def render_block_sync(
        self,
        name: TemplateName,
        block: str,
        /,
        context: Mapping[str, Any] | None = None,
        *,
        blueprints: Sequence[str] = (),
    ) -> str:
        """As `render_block`; `RuntimeError` with `enable_async` or an async context processor."""
        if self.enable_async:
            raise RuntimeError("render_block_sync: this engine has enable_async=True; await render_block()")
        prelude = self._prelude(name)
        return block_of(prelude, block, variables_sync(self.registry, context, blueprints))

    def engine_for(self, name: TemplateName) -> EngineChoice:
        """Which engine renders this template, and why; raises `TemplateNotFound` and syntax errors."""
        self._template(name)
        return EngineChoice("jinja2", "the wheel gobstopper-templates-rs is not in use")

    def _renderer(self, template: jinja2.Template) -> Renderer:
        """What renders a template; the seam for the wheel."""
        return template

    def _refuse_loop(self, twin: str) -> None:
        if not self.enable_async:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(f"{twin}_sync: this engine has enable_async=True and an event loop runs; await {twin}()")

    def _template(self, name: TemplateName) -> jinja2.Template:
        if isinstance(name, os.PathLike) or not isinstance(name, Iterable | jinja2.Template):
            raise TypeError(f"a template's name is a str relative to its folder, not {name!r:.100}")
        environment = self.environment
        try:
            if isinstance(name, str):
                return environment.get_template(name)
            return environment.get_or_select_template(cast("list[str | jinja2.Template]", name))
        except jinja2.TemplateNotFound as error:
            environment.suggest(error)
            raise

    def _prelude(self, name: TemplateName) -> jinja2.Template:
        template = self._template(name)
        own = template.environment
        return (own if isinstance(own, EngineEnvironment) else self.environment).prelude(template)

    def _from_string(self, source: str) -> jinja2.Template:
        if not isinstance(source, str):
            raise TypeError(f"a template string is a str, not {type(source).__name__}")
        environment = self.environment
        if len(source) > _STRING:
            return environment.from_string(source)
        key = (environment.suggest_names, source)
        template: jinja2.Template | None = self._strings.get(key)
        if template is None:
            template = self._strings[key] = environment.from_string(source)
        return template

    async def _render(self, template: jinja2.Template, found: dict[str, Any], stream: bool) -> str | RenderStream:
        if not stream:
            if self.enable_async:
                return await template.render_async(found)
            return self._renderer(template).render(found)
        pieces: Iterator[str] | AsyncIterator[str]
        pieces = template.generate_async(found) if self.enable_async else self._renderer(template).generate(found)
        chunk_size = self.chunk_size if self.enable_streaming else sys.maxsize
        return await RenderStream(pieces, chunk_size).start()
