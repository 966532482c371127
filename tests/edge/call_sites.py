"""Where the recorder's storage code calls the system: found by reading the source, for the table of outcomes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

EDGE = Path(__file__).resolve().parents[2] / "edge"
MODULES = (
    "durable",
    "spool",
    "journal",
    "journal_slots",
    "head_memory",
    "opening",
    "recovery",
    "recorder",
    "writer",
    "app",
    "disk_watch",
    "mirror",
    "mirror_side",
    "mirror_compare",
    "mirror_catch_up",
    "mirror_opening",
    "scrub",
    "read_back",
    "destruction",
    "reclaiming",
    "slices",
    "witnessing",
    "custody",
    "narrowing",
    "desk_schedule",
)
NO_FILES = {"clock", "camera", "microphone", "recorder", "_gaps", "_sources", "neighbours"}
"""What is opened or read under these names is no file."""
PURE = {"os.strerror", "durable.reading", "durable.carry_out", "os.major", "os.minor", "os.umask"}
PATH_METHODS = {
    "open",
    "read",
    "read_bytes",
    "read_text",
    "write_bytes",
    "write_text",
    "seek",
    "exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "stat",
    "lstat",
    "iterdir",
    "glob",
    "rglob",
    "unlink",
    "rmdir",
    "replace",
    "rename",
    "mkdir",
    "touch",
    "chmod",
    "symlink_to",
    "hardlink_to",
}
OURS = {
    "open",
    "open_plain",
    "opened",
    "AppendFile",
    "appender",
    "sync_directory",
    "read_segment",
    "read_slots",
    "load_signer",
}
FILES = {"_file", "file"}


def sites_of(module: str, folder: Path = EDGE) -> set[str]:
    """`module.function: call` of every call that reaches the disk, in one module of `edge`."""
    return set(_sites(ast.parse((folder / f"{module}.py").read_text(encoding="utf-8")), module))


def every_site() -> set[str]:
    """Of all modules that reach the disk."""
    return {site for module in MODULES for site in sites_of(module)}


def _sites(node: ast.AST, where: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        inside = where
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inside = f"{where}.{child.name}"
        elif isinstance(child, ast.Call) and (called := _called(child.func)) is not None and not _is_of_text(child):
            yield f"{where}: {called}"
        yield from _sites(child, inside)


def _is_of_text(call: ast.Call) -> bool:
    """Whether it is `str.replace`: a path is put in the place of one other."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "replace" and len(call.args) > 1


def _called(function: ast.expr) -> str | None:
    """The name of a call that reaches the disk, or None."""
    match function:
        case ast.Attribute(value=ast.Name(id="os" | "fcntl" | "durable" | "shutil" as owner), attr=name):
            called = f"{owner}.{name}"
            return None if called in PURE else called
        case ast.Attribute(value=ast.Attribute(attr=owner) | ast.Name(id=owner), attr="append" | "close" as name) if (
            owner in FILES
        ):
            return f"file.{name}"
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner)) if owner in NO_FILES:
            return None
        case ast.Attribute(attr=name) if name in PATH_METHODS:
            return f".{name}"
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in OURS:
            return name
        case _:
            return None
