"""URL patterns, a fast router, reverse URLs and blueprints."""

from ._impl import IMPL as IMPL
from .blueprint import Blueprint as Blueprint
from .blueprint import FlatRoute as FlatRoute
from .blueprint import Registration as Registration
from .builder import build_path as build_path
from .convertors import AnyConverter as AnyConverter
from .convertors import Converter as Converter
from .convertors import Converters as Converters
from .convertors import DateConverter as DateConverter
from .convertors import FloatConverter as FloatConverter
from .convertors import IntConverter as IntConverter
from .convertors import PathConverter as PathConverter
from .convertors import StrConverter as StrConverter
from .convertors import UUIDConverter as UUIDConverter
from .diagnostics import Problem as Problem
from .diagnostics import check_hook as check_hook
from .diagnostics import check_routes as check_routes
from .diagnostics import format_problems as format_problems
from .errors import BlueprintError as BlueprintError
from .errors import BuildError as BuildError
from .errors import ConverterError as ConverterError
from .errors import PatternError as PatternError
from .errors import RouteError as RouteError
from .errors import RoutingError as RoutingError
from .errors import SignatureError as SignatureError
from .folders import resolve_folder as resolve_folder
from .folders import root_path as root_path
from .pattern import Pattern as Pattern
from .pattern import parameter_names as parameter_names
from .route import Route as Route
from .route import handler_name as handler_name
from .route import location_of as location_of
from .router import Router as Router
from .scaffold import MiddlewareRecord as MiddlewareRecord
from .scaffold import Scaffold as Scaffold
from .signature import Call as Call
from .signature import check_signature as check_signature
from .slash import SlashPolicy as SlashPolicy
from .slash import relative_location as relative_location
from .urls import URLMap as URLMap

__all__ = [
    "IMPL",
    "AnyConverter",
    "Blueprint",
    "BlueprintError",
    "BuildError",
    "Call",
    "Converter",
    "ConverterError",
    "Converters",
    "DateConverter",
    "FlatRoute",
    "FloatConverter",
    "IntConverter",
    "MiddlewareRecord",
    "PathConverter",
    "Pattern",
    "PatternError",
    "Problem",
    "Registration",
    "Route",
    "RouteError",
    "Router",
    "RoutingError",
    "Scaffold",
    "SignatureError",
    "SlashPolicy",
    "StrConverter",
    "URLMap",
    "UUIDConverter",
    "build_path",
    "check_hook",
    "check_routes",
    "check_signature",
    "format_problems",
    "handler_name",
    "location_of",
    "parameter_names",
    "relative_location",
    "resolve_folder",
    "root_path",
]
