"""Code generators: one that lets no coroutine reach the output, one that keeps only what a single block needs."""

# ruff: noqa: N802, D102 - the visitors override methods that Jinja2 names and documents
from __future__ import annotations

from types import CoroutineType
from typing import Any, NoReturn

from jinja2 import TemplateRuntimeError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import FILTERS

__all__ = ["GuardedGenerator", "PreludeGenerator", "refuse"]

# What can never be a coroutine is not checked.
_PLAIN = (nodes.Const, nodes.TemplateData, nodes.Concat, nodes.Compare, nodes.Not, nodes.Test, nodes.BinExpr)
_MAY_PASS = (nodes.And, nodes.Or)  # binary expressions that give one of their operands
# Filters of Jinja2 that hand their value on: the output itself is checked.
_HANDING_ON = frozenset({"default", "d"})
# Filters of Jinja2 that give text or a number, whatever they are given.
_PRINTABLE = frozenset(
    {
        "abs",
        "capitalize",
        "center",
        "count",
        "e",
        "escape",
        "filesizeformat",
        "float",
        "forceescape",
        "format",
        "indent",
    }
    | {"int", "join", "length", "lower", "pprint", "replace", "round", "safe", "string", "striptags", "title", "tojson"}
    | {"trim", "truncate", "upper", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr"}
)
# What can have an effect beyond the loop it is in.
_CHANGING: tuple[type[nodes.Node], ...] = (nodes.Assign, nodes.NSRef, nodes.ExprStmt)
# What `{% trans %}` calls with the values it prints.
_GETTEXT = frozenset({"gettext", "ngettext", "pgettext", "npgettext"})


def refuse(value: CoroutineType[Any, Any, Any]) -> NoReturn:
    """Close the coroutine, so that it is not warned of a second time, and say what to do."""
    name = value.__qualname__
    value.close()
    raise TemplateRuntimeError(
        f"the coroutine of {name}() reached the output: await it before rendering and pass the result, "
        "or create the engine with enable_async=True"
    )


class GuardedGenerator(CodeGenerator):
    """Jinja2's code generator, with a check in line wherever a value becomes text.

    Text like `<coroutine object …>` is never wanted. Without `enable_async` such a value is an error; with it, a
    coroutine that a variable holds is awaited like the result of a call.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # By id, with the node kept alive: the optimizer drops nodes, and a free id would be taken again.
        self._guarded: dict[int, nodes.Node] = {}

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        # On the line of Jinja2's own import, so that all others keep their numbers.
        self.write("from types import CoroutineType; from gobstopper_templates.compile import refuse; ")
        super().visit_Template(node, frame)

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if self._guarded.pop(id(node), None) is None:
            return super().visit(node, *args, **kwargs)
        self._open_guard(node)
        super().visit(node, *args, **kwargs)
        self._close_guard(node)
        return None

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        super()._output_child_pre(node, frame, finalize)
        self._open_guard(node)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self._close_guard(node)
        super()._output_child_post(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self._guard(*node.nodes)
        super().visit_Concat(node, frame)

    def visit_Mod(self, node: nodes.BinExpr, frame: Frame) -> None:
        self._guard(node.right)
        super().visit_Mod(node, frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name in _GETTEXT:
            self._guard(*(pair.value for pair in node.kwargs))
        super().visit_Call(node, frame, forward_caller=forward_caller)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:
        if self._is_jinja2s(node) and node.name not in _HANDING_ON:
            values = [*node.args, *(pair.value for pair in node.kwargs)]
            self._guard(*values, *([] if node.node is None else [node.node]))
        super().visit_Filter(node, frame)

    def _guard(self, *values: nodes.Expr) -> None:
        for value in values:
            if isinstance(value, nodes.Tuple | nodes.List):
                self._guard(*value.items)
            elif isinstance(value, nodes.Dict):
                self._guard(*(pair.value for pair in value.items))
            elif self._may_be_coroutine(value):
                self._guarded[id(value)] = value

    def _is_jinja2s(self, node: nodes.Filter) -> bool:
        function = self.environment.filters.get(node.name)
        return function is not None and function is FILTERS.get(node.name)

    def _may_be_coroutine(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Filter):
            return not (node.name in _PRINTABLE and self._is_jinja2s(node))
        return not isinstance(node, _PLAIN) or isinstance(node, _MAY_PASS)

    def _open_guard(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Tuple | nodes.List | nodes.Dict):
            self._guard(node)
        elif self._may_be_coroutine(node):
            self.write("(_v if type(_v := (")

    def _close_guard(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Tuple | nodes.List | nodes.Dict):
            return
        if self._may_be_coroutine(node):
            last = "(await _v)" if self.environment.is_async else "refuse(_v)"
            self.write(f")) is not CoroutineType else {last})")


class PreludeGenerator(GuardedGenerator):
    """Keeps what the top level of a template binds, and its blocks; leaves out what it prints.

    Running such a template costs no output: it sets variables, imports, defines macros and follows `extends`, whose
    parent is compiled the same way. The blocks can then be rendered one by one.
    """

    def visit_Extends(self, node: nodes.Extends, frame: Frame) -> None:
        prelude = nodes.Call(nodes.EnvironmentAttribute("prelude"), [node.template], [], None, None)
        prelude.set_lineno(node.lineno)
        node.template = prelude
        super().visit_Extends(node, frame)

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        if not _silent(frame):
            super().visit_Output(node, frame)

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:
        if not _silent(frame):
            super().visit_Include(node, frame)

    def visit_CallBlock(self, node: nodes.CallBlock, frame: Frame) -> None:
        if not _silent(frame):
            super().visit_CallBlock(node, frame)

    def visit_FilterBlock(self, node: nodes.FilterBlock, frame: Frame) -> None:
        if not _silent(frame):
            super().visit_FilterBlock(node, frame)

    def visit_Block(self, node: nodes.Block, frame: Frame) -> None:
        if not _silent(frame):
            super().visit_Block(node, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        # A loop binds nothing outside itself, but may change a namespace or an object.
        if not _silent(frame) or any(node.find(kind) for kind in _CHANGING):
            super().visit_For(node, frame)


def _silent(frame: Frame) -> bool:
    """Whether the frame's output would be the page's own: not that of a block, macro or buffer."""
    return frame.buffer is None and frame.block is None
